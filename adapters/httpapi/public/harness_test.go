package public_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/golang/mock/gomock"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/public"
	"footfall/domain/counting"
	"footfall/domain/watching"
	"footfall/test/check"
	"footfall/test/mock"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// rig is a public handler over mocks.
type rig struct {
	visits   *mock.MockVisits
	uniques  *mock.MockUniques
	watching *mock.MockWatching
	stats    *mock.MockStats
	nodes    []watching.Node
	metrics  *prometheus.Registry
	log      *bytes.Buffer
	handler  *httpapi.Handler
}

func newRig(t *testing.T, change ...func(*public.Options)) *rig {
	t.Helper()
	ctrl := gomock.NewController(t)
	r := &rig{
		visits:   mock.NewMockVisits(ctrl),
		uniques:  mock.NewMockUniques(ctrl),
		watching: mock.NewMockWatching(ctrl),
		stats:    mock.NewMockStats(ctrl),
		nodes:    []watching.Node{{ID: "redis_7070", Share: 0.5, Answers: true}, {ID: "redis_7071", Share: 0.5, Answers: true}},
		metrics:  prometheus.NewRegistry(),
		log:      &bytes.Buffer{},
	}
	o := public.Options{
		Visits: r.visits, Uniques: r.uniques, Watching: r.watching, Stats: r.stats, Metrics: r.metrics,
		Nodes: func(context.Context) []watching.Node { return r.nodes },
		Log:   slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	h := check.Value(public.New(o))(t)
	r.handler = h
	return r
}

// tallies is a Visits that counts in a map; pages in errs fail.
type tallies struct {
	mu     sync.Mutex
	counts map[counting.Page]int64
	errs   map[counting.Page]error
}

func newTallies() *tallies {
	return &tallies{counts: map[counting.Page]int64{}, errs: map[counting.Page]error{}}
}

func (f *tallies) Record(_ context.Context, page counting.Page, n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.errs[page]; err != nil {
		return err
	}
	sum, ok := counting.AddChecked(f.counts[page], n)
	if !ok {
		return counting.Overflow
	}
	f.counts[page] = sum
	return nil
}

func (f *tallies) RecordAll(ctx context.Context, visits []counting.Visit) []error {
	errs := make([]error, len(visits))
	for i, v := range visits {
		errs[i] = f.Record(ctx, v.Page, v.Count)
	}
	return errs
}

func (f *tallies) RecordOnce(ctx context.Context, _ counting.RequestKey, visits []counting.Visit) ([]error, error) {
	return f.RecordAll(ctx, visits), nil
}

func (f *tallies) Read(_ context.Context, pages []counting.Page) []counting.Reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	readings := make([]counting.Reading, len(pages))
	for i, page := range pages {
		readings[i].Via = "redis_7070"
		readings[i].Visits, readings[i].Err = f.counts[page], f.errs[page]
	}
	return readings
}

// withTallies lets a rig count in f.
func withTallies(f *tallies) func(*public.Options) {
	return func(o *public.Options) { o.Visits = f }
}
