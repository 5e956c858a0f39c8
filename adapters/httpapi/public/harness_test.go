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
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/public"
	"footfall/domain/counting"
	"footfall/domain/watching"
	"footfall/test/check"
	"footfall/test/mock"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// options are those of the listener and of the routes that it shares with others.
type (
	options struct {
		listener
		counted
	}
	listener = public.Options
	counted  = counter.Options
)

// handler is the public handler.
func (o options) handler(t testing.TB) *httpapi.Handler {
	t.Helper()
	o.Counter = check.Value(counter.New(o.counted))(t)
	return check.Value(public.New(o.listener))(t)
}

// rig is a public handler over mocks.
type rig struct {
	visits   *mock.MockVisits
	history  *mock.MockHistory
	ids      *mock.MockIDs
	windows  *mock.MockLister
	watching *mock.MockWatching
	stats    *mock.MockStats
	nodes    []watching.Node
	metrics  *prometheus.Registry
	log      *bytes.Buffer
	handler  *httpapi.Handler
}

func newRig(t *testing.T, change ...func(*options)) *rig {
	t.Helper()
	ctrl := gomock.NewController(t)
	r := &rig{
		visits:   mock.NewMockVisits(ctrl),
		history:  mock.NewMockHistory(ctrl),
		ids:      mock.NewMockIDs(ctrl),
		windows:  mock.NewMockLister(ctrl),
		watching: mock.NewMockWatching(ctrl),
		stats:    mock.NewMockStats(ctrl),
		nodes:    []watching.Node{{ID: "redis_7070", Share: 0.5, Answers: true}, {ID: "redis_7071", Share: 0.5, Answers: true}},
		metrics:  prometheus.NewRegistry(),
		log:      &bytes.Buffer{},
	}
	o := options{
		counted: counted{Visits: r.visits, IDs: r.ids, Metrics: r.metrics, Log: slog.New(slog.NewTextHandler(r.log, nil))},
		listener: listener{
			History: r.history, Windows: r.windows, Watching: r.watching, Stats: r.stats, Registry: r.metrics,
			Nodes: func(context.Context) []watching.Node { return r.nodes },
		},
	}
	for _, f := range change {
		f(&o)
	}
	r.handler = o.handler(t)
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
func withTallies(f *tallies) func(*options) {
	return func(o *options) { o.Visits = f }
}
