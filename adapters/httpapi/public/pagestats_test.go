package public_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi/limits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/domain/timeline"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// pageStats are the numbers of n pages.
func pageStats(n int) counting.PageStats {
	s := counting.PageStats{AsOf: time.Date(2026, 11, 22, 10, 5, 0, 120e6, time.UTC), Pages: int64(n), Visits: int64(n * (n + 1) / 2)}
	for i := range min(n, counting.MaxTop) {
		s.Top = append(s.Top, counting.Visit{Page: counting.Page(fmt.Sprintf("blog/\"%d<", i)), Count: int64(n - i)})
	}
	return s
}

func TestTopAndTotalHaveTheirBodies(t *testing.T) {
	known := func(prefix string, s counting.PageStats) func(*rig) {
		return func(r *rig) {
			r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{Prefix: prefix}).Return(s, nil)
		}
	}
	failed := func(err error) func(*rig) {
		return func(r *rig) {
			r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).Return(counting.PageStats{}, httpcheck.Inner(err))
		}
	}
	inPeriod := func(length time.Duration, s counting.PageStats, err error) func(*rig) {
		return func(r *rig) {
			r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{Period: length}).Return(s, err)
		}
	}
	huge := pageStats(2)
	huge.Overflows = true
	young := pageStats(1)
	young.Since = time.Date(2026, 11, 20, 8, 30, 15, 0, time.UTC)
	for _, c := range []struct {
		name, target string
		expect       func(*rig)
	}{
		{"top", "/pages/top", known("", pageStats(12))},
		{"top", "/api/v1/counter/pages/top?limit=10&prefix=", known("", pageStats(12))},
		{"top_limit", "/pages/top?limit=2&prefix=blog%2F", known("blog/", pageStats(12))},
		{"top_none", "/pages/top?prefix=a+b", known("a b", pageStats(0))},
		{"top_bad_limit", "/pages/top?limit=0", nil},
		{"top_bad_limit", "/pages/top?limit=1001", nil},
		{"top", "/pages/top?limit=&period=", known("", pageStats(12))},
		{"top_two_limits", "/pages/top?limit=1&limit=1", nil},
		{"top", "/pages/top?period=24h", inPeriod(24*time.Hour, pageStats(12), nil)},
		{"top_limit", "/pages/top?period=7d&limit=2", inPeriod(7*24*time.Hour, pageStats(12), nil)},
		{"top_since", "/pages/top?period=7d&limit=1", inPeriod(7*24*time.Hour, young, nil)},
		{"top_no_history", "/pages/top?period=30d", inPeriod(30*24*time.Hour, counting.PageStats{}, timeline.ErrNoHistory)},
		{"top_resolution", "/pages/top?period=30d", inPeriod(30*24*time.Hour, counting.PageStats{}, fmt.Errorf("%w: history is kept for 7 days only", timeline.ErrResolution))},
		{"top_bad_period", "/pages/top?period=1h", nil},
		{"top_unknown_parameter", "/pages/top?from=2026-11-28", nil},
		{"total_period", "/pages/total?period=24h", nil},
		{"top_bad_prefix", "/pages/top?prefix=%FF", nil},
		{"top_bad_prefix", "/pages/top?prefix=a%0A", nil},
		{"top_bad_prefix", "/pages/top?prefix=" + strings.Repeat("x", 257), nil},
		{"top_scanning", "/pages/top", failed(counting.ErrScanning)},
		{"top_moving", "/pages/top", failed(sharding.ErrBusy)},
		{"top_unavailable", "/pages/top", failed(counting.ErrUnavailable)},
		{"top_corrupt", "/pages/top", failed(counting.Corrupt)},
		{"top_missing", "/pages/top", failed(counting.Mark(counting.Missing, counting.ErrUnavailable))},
		{"top_prefixes", "/pages/top", failed(counting.ErrPrefixes)},
		{"top_share", "/pages/top", failed(counting.ErrPrefixShare)},
		{"top_internal", "/pages/top", failed(errors.New("anything else"))},
		{"total", "/pages/total", known("", pageStats(12))},
		{"total", "/api/v1/counter/pages/total?prefix=blog/", known("blog/", pageStats(12))},
		{"total_limit", "/pages/total?limit=1", nil},
		{"total_overflow", "/pages/total", known("", huge)},
		{"total_scanning", "/pages/total", failed(counting.ErrScanning)},
	} {
		t.Run(c.name+" "+c.target[:min(len(c.target), 60)], func(t *testing.T) {
			r := newRig(t)
			if c.expect != nil {
				c.expect(r)
			}
			w := httpcheck.Send(t, r.handler, "GET", c.target, "")
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

func TestTheTopHasAThousandPagesAtMost(t *testing.T) {
	r := newRig(t)
	s := pageStats(1000)
	s.Top[0].Count = math.MaxInt64
	r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).Return(s, nil)
	w := httpcheck.Send(t, r.handler, "GET", "/pages/top?limit=1000", "")
	if w.Code != 200 || strings.Count(w.Body.String(), "page_id") != 1000 || !strings.Contains(w.Body.String(), `"visits":9223372036854775807}`) {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
}

// S16: FOOTFALL_PAGES is admin or off.
func TestS16TopAndTotalCanBePrivate(t *testing.T) {
	r := newRig(t, func(o *options) { o.Private = true })
	for _, target := range []string{"/pages/top", "/pages/total?prefix=secret", "/api/v1/counter/pages/top?limit=0"} {
		httpcheck.Golden(t, "top_off", httpcheck.Send(t, r.handler, "GET", target, ""))
	}
}

// P9: callers that wait for a scan are bounded, each client by its share.
func TestCallersOfTopAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *options) { o.PageStats = &limits.Pool{Resource: "page_stats", Total: 2, Share: 1} })
		answered := make(chan int)
		r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).DoAndReturn(func(context.Context, netip.Prefix, counting.PageQuery) (counting.PageStats, error) {
			time.Sleep(time.Second)
			return counting.PageStats{}, counting.ErrScanning
		}).Times(2)
		ask := func(client string) int {
			request := httptest.NewRequestWithContext(t.Context(), "GET", "/pages/top", nil)
			request.RemoteAddr = client
			return httpcheck.Answer(r.handler, request).Code
		}
		for _, client := range []string{"192.0.2.1:1", "192.0.2.2:1"} {
			go func() { answered <- ask(client) }()
		}
		synctest.Wait()
		check.Equal(t, ask("192.0.2.1:2"), 429, "the second call of a client")
		check.Equal(t, ask("192.0.2.3:1"), 503, "the third call")
		for range 2 {
			check.Equal(t, <-answered, 503, "a call that has waited")
		}
	})
}
