package admin_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/admin"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
	"footfall/test/httpcheck"
	"footfall/test/mock"
)

// mocks are the ports of an admin listener.
type mocks struct {
	windows   *mock.MockWindows
	callbacks *mock.MockCallbacks
	ring      *mock.MockRing
	pages     *mock.MockPages
	history   *mock.MockRetention
	stats     *mock.MockStats
}

func newAdmin(t *testing.T, token string, loopback bool) (http.Handler, mocks) {
	t.Helper()
	ctrl := gomock.NewController(t)
	m := mocks{mock.NewMockWindows(ctrl), mock.NewMockCallbacks(ctrl), mock.NewMockRing(ctrl), mock.NewMockPages(ctrl), mock.NewMockRetention(ctrl), mock.NewMockStats(ctrl)}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "footfall_test", Help: "A number."}))
	return admin.New(admin.Options{
		Windows: m.windows, Callbacks: m.callbacks, Ring: m.ring, Pages: m.pages, Retention: m.history, Stats: m.stats, Metrics: metrics,
		Nodes: func(context.Context) []watching.Node {
			return []watching.Node{{ID: "redis_7070", Share: 1, Answers: true}}
		},
		Log: slog.New(slog.DiscardHandler), Token: token, Loopback: loopback,
	}), m
}

// administer sends a request; a body comes with the type.
func administer(t *testing.T, h http.Handler, method, target, kind, body string) *httptest.ResponseRecorder {
	t.Helper()
	return httpcheck.Send(t, h, method, target, body, "Host", "127.0.0.1:8001", "Content-Type", kind)
}

// query sends a GET.
func query(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	return administer(t, h, "GET", target, "", "")
}

// summary is a window that was published and called back.
func summary() publishing.Summary {
	start := time.Date(2026, 11, 22, 10, 5, 0, 0, time.FixedZone("elsewhere", 3600))
	return publishing.Summary{
		Report: publishing.Report{ID: "footfall_20261122T090500Z", Start: start, End: start.Add(time.Minute), Count: 123},
		State:  counting.Done, Sink: "rabbitmq",
		Deliveries: counting.DeliveryTotals{Endpoints: 3, Delivered: 1, Failed: 1},
	}
}

// Operators see how callbacks went, whatever is public.
func TestAdminListsWindows(t *testing.T) {
	span := publishing.Span{From: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	for _, c := range []struct {
		name, query string
		more        bool
		err         error
	}{
		{"admin_windows", "from=2026-11-22&limit=2", true, nil},
		{"admin_windows_bad_cursor", "cursor=x", false, nil},
		{"admin_windows_unavailable", "from=2026-11-22&limit=2", false, httpcheck.Inner(counting.ErrUnavailable)},
	} {
		h, m := newAdmin(t, "", true)
		m.windows.EXPECT().List(gomock.Any(), span, 2).AnyTimes().Return([]publishing.Summary{summary()}, c.more, c.err)
		w := query(t, h, "/windows?"+c.query)
		httpcheck.Golden(t, c.name, w)
		httpcheck.NothingInner(t, w)
	}
}

func TestAdminShowsAWindowWithItsEndpoints(t *testing.T) {
	const id = "footfall_20261122T090500Z"
	for _, c := range []struct {
		name  string
		calls map[string]counting.Delivery
		err   error
	}{
		{"admin_window", map[string]counting.Delivery{
			"http://b.example/hook?a=1": {Attempts: 3, Status: 500, Final: true},
			"http://a.example/":         {Attempts: 1, Status: 204, Final: true},
			"http://c.example/":         {Attempts: 1},
			"http://d.example/":         {},
		}, nil},
		{"admin_window_quiet", nil, nil},
		{"admin_window_unknown", nil, httpcheck.Inner(counting.ErrBadWindow)},
		{"admin_window_unavailable", nil, away()},
		{"admin_window_internal", nil, httpcheck.Inner(errors.New("anything else"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, m := newAdmin(t, "", true)
			s := summary()
			if c.err != nil {
				s = publishing.Summary{}
			}
			m.windows.EXPECT().Deliveries(gomock.Any(), id).Return(s, c.calls, c.err)
			w := query(t, h, "/windows/"+id)
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

func TestAdminServesMetricsAndProfiles(t *testing.T) {
	h, _ := newAdmin(t, "", true)
	for target, want := range map[string]string{
		"/metrics":                       "footfall_test 0",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/symbol":            "num_symbols",
	} {
		if w := query(t, h, target); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d without %q", target, w.Code, want)
		}
	}
}

// The flags of the process may hold credentials.
func TestAdminDoesNotShowTheCommandLine(t *testing.T) {
	h, _ := newAdmin(t, "", true)
	httpcheck.Golden(t, "admin_no_profile", query(t, h, "/debug/pprof/cmdline"))
}

func TestAdminHasRoutesOfItsOwn(t *testing.T) {
	h, _ := newAdmin(t, "", true)
	httpcheck.Golden(t, "no_such_route", query(t, h, "/visits/home"))
}

func TestAdminChecksHostOriginAndToken(t *testing.T) {
	type headers = []string
	for _, c := range []struct {
		name, token string
		loopback    bool
		headers     headers
	}{
		{"", "", true, nil},
		{"", "", true, headers{"Host", "LOCALHOST:9"}},
		{"", "", true, headers{"Host", "localhost"}},
		{"", "", true, headers{"Host", "[::1]:8001"}},
		{"", "", true, headers{"Host", "[::1]"}},
		{"", "", true, headers{"Origin", "http://127.0.0.1:8001"}},
		{"admin_foreign_host", "", true, headers{"Host", "rebound.example:8001"}},
		{"admin_foreign_host", "", false, headers{"Host", "10.0.0.1:8001"}},
		{"admin_foreign_host", "", true, headers{"Host", "localhost.example"}},
		{"admin_foreign_host", "", true, headers{"Host", ""}},
		{"admin_foreign_host", "secret", true, headers{"Host", "rebound.example", "Authorization", "Bearer secret"}},
		{"admin_foreign_origin", "", true, headers{"Origin", "http://evil.example"}},
		{"admin_foreign_origin", "", true, headers{"Origin", "http://127.0.0.1:8002"}},
		{"admin_foreign_origin", "", true, headers{"Origin", "null"}},
		{"", "", true, headers{"Sec-Fetch-Site", "none"}},
		{"", "", true, headers{"Sec-Fetch-Site", "same-origin"}},
		{"admin_foreign_origin", "", true, headers{"Sec-Fetch-Site", "cross-site"}},
		{"admin_foreign_origin", "", true, headers{"Sec-Fetch-Site", "same-site"}},
		{"admin_foreign_origin", "secret", false, headers{"Origin", "http://evil.example", "Authorization", "Bearer secret"}},
		{"", "secret", false, headers{"Host", "admin.example", "Authorization", "Bearer secret"}},
		{"", "secret", true, headers{"Authorization", "bearer secret"}},
		{"admin_unauthorized", "secret", false, nil},
		{"admin_unauthorized", "secret", false, headers{"Authorization", "Bearer secre"}},
		{"admin_unauthorized", "secret", false, headers{"Authorization", "Bearer "}},
		{"admin_unauthorized", "secret", false, headers{"Authorization", "Basic secret"}},
		{"admin_unauthorized", "secret", false, headers{"Authorization", "secret"}},
	} {
		h, _ := newAdmin(t, c.token, c.loopback)
		w := httpcheck.Send(t, h, "GET", "/metrics", "", append(headers{"Host", "127.0.0.1:8001"}, c.headers...)...)
		if c.name != "" {
			httpcheck.Golden(t, c.name, w)
		} else if w.Code != 200 {
			t.Errorf("%v: %d %s", c.headers, w.Code, w.Body)
		}
	}
}
