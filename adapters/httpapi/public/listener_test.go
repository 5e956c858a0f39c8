package public_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/golang/mock/gomock"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/public"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func TestRequestsBeyondTheLimitAreRefusedImmediately(t *testing.T) {
	r := newRig(t, func(o *options) { o.Requests = &limits.Pool{Resource: "requests", Total: 1} })
	entered, release := make(chan struct{}), make(chan struct{})
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).DoAndReturn(
		func(context.Context, counting.Page, int64) error {
			close(entered)
			<-release
			return nil
		})
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("next"), int64(1)).Return(nil)
	var wg sync.WaitGroup
	wg.Go(func() { httpcheck.Golden(t, "record", httpcheck.Send(t, r.handler, "POST", "/visit/home", "")) })
	<-entered
	httpcheck.Golden(t, "overloaded", httpcheck.Send(t, r.handler, "POST", "/visit/home", ""))
	httpcheck.Golden(t, "accept_overloaded", httpcheck.Send(t, r.handler, "GET", "/api/verve/accept?id=1", ""))
	httpcheck.Golden(t, "healthz", httpcheck.Send(t, r.handler, "GET", "/healthz", ""))
	httpcheck.Golden(t, "readyz", httpcheck.Send(t, r.handler, "GET", "/readyz", ""))
	close(release)
	wg.Wait()
	if w := httpcheck.Send(t, r.handler, "POST", "/visit/next", ""); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestBulkBodiesHaveALimitOfTheirOwn(t *testing.T) {
	r := newRig(t, func(o *options) { o.Bulks = &limits.Pool{Resource: "bulks", Total: 1} })
	entered, release := make(chan struct{}), make(chan struct{})
	r.visits.EXPECT().RecordAll(gomock.Any(), gomock.Any()).DoAndReturn(
		func(_ context.Context, visits []counting.Visit) []error {
			close(entered)
			<-release
			return make([]error, len(visits))
		})
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).Return(nil)
	var wg sync.WaitGroup
	wg.Go(func() { httpcheck.Send(t, r.handler, "POST", "/visits", `{"page_id":"a"}`) })
	<-entered
	httpcheck.Golden(t, "bulk_overloaded", httpcheck.Send(t, r.handler, "POST", "/visits", `{"page_id":"a"}`))
	httpcheck.Golden(t, "record", httpcheck.Send(t, r.handler, "POST", "/visit/home", ""))
	close(release)
	wg.Wait()
	httpcheck.Golden(t, "bulk_empty", httpcheck.Send(t, r.handler, "POST", "/visits", `[]`))
}

func TestMetricsNameRoutesAndNeverPaths(t *testing.T) {
	f := newTallies()
	r := newRig(t, withTallies(f))
	f.errs["gone"] = counting.ErrUnavailable
	for _, request := range []string{
		"POST /visit/home", "POST /visit/home", "POST /visit/gone", "GET /visit/home", "GET /visits/home", "HEAD /visits/home",
		"GET /secret-path", "BREW /secret-path", "BREW /visits", "POST /api/v1/counter/visit/home",
	} {
		method, target, _ := strings.Cut(request, " ")
		httpcheck.Send(t, r.handler, method, target, "")
	}
	got := map[string]float64{}
	families := check.Value(r.metrics.Gather())(t)
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "footfall_http_") {
			continue
		}
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			key := strings.Join(labels, " ")
			if n := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()); n > 0 {
				got[key] = n
			}
		}
	}
	want := map[string]float64{ // code, method, route; and route for the histogram
		"200 POST /visit/{page_id}": 2, "503 POST /visit/{page_id}": 1, "405 GET /visit/{page_id}": 1, "/visit/{page_id}": 4,
		"200 GET /visits/{page_id}": 1, "200 HEAD /visits/{page_id}": 1, "/visits/{page_id}": 2,
		"404 GET unmatched": 1, "404 other unmatched": 1, "unmatched": 2, "405 other /visits": 1, "/visits": 1,
		"200 POST /api/v1/counter/visit/{page_id}": 1, "/api/v1/counter/visit/{page_id}": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestASecondHandlerOnOneRegistryIsAnError(t *testing.T) {
	r := newRig(t)
	check.Fails(t, check.Err(counter.New(counter.Options{Metrics: r.metrics, Log: slog.New(slog.DiscardHandler)})), "two counters share their metrics")
	check.Fails(t, check.Err(public.New(public.Options{Registry: r.metrics})), "two handlers share their metrics")
}

func TestRequestsAreLoggedAtDebugLevelWithoutWhatTheySent(t *testing.T) {
	var log bytes.Buffer
	level := &slog.LevelVar{}
	r := newRig(t, withTallies(newTallies()), func(o *options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
	})
	httpcheck.Send(t, r.handler, "POST", "/visit/secret?x=secret", "")
	if log.Len() > 0 {
		t.Errorf("logged at info: %s", &log)
	}
	level.Set(slog.LevelDebug)
	httpcheck.Send(t, r.handler, "POST", "/visit/secret?x=secret", "")
	if line := log.String(); strings.Count(line, "\n") != 1 || strings.Contains(line, "secret") || !strings.Contains(line, "/visit/{page_id}") {
		t.Errorf("logged: %s", line)
	}
}
