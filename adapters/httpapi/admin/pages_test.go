package admin_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/admin"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/httpcheck"
	"footfall/test/mock"
)

func TestPagesAreListed(t *testing.T) {
	list := func(cursor, next string, err error, pages ...counting.Visit) func(*mock.MockPages) {
		return func(m *mock.MockPages) { m.EXPECT().List(gomock.Any(), cursor).Return(pages, next, err) }
	}
	some := []counting.Visit{{Page: "home", Count: 12}, {Page: "a/\"b<", Count: 0}, {Page: "damaged", Count: -1}}
	for _, c := range []struct {
		name, query string
		expect      func(*mock.MockPages)
	}{
		{"admin_pages", "", list("", "here", nil, some...)},
		{"admin_pages", "?cursor=", list("", "here", nil, some...)},
		{"admin_pages_end", "?cursor=a%2Fb", list("a/b", "", nil)},
		{"admin_pages_two_cursors", "?cursor=a&cursor=b", nil},
		{"admin_pages_moving", "", list("", "", fmt.Errorf("%w: pages are moving between nodes", sharding.ErrBusy))},
		{"admin_pages_unavailable", "", list("", "", away())},
		{"admin_pages_internal", "", list("", "", httpcheck.Inner(errors.New("anything else")))},
	} {
		h, m := newAdmin(t, "", true)
		if c.expect != nil {
			c.expect(m.pages)
		}
		w := administer(t, h, "GET", "/pages"+c.query, "", "")
		httpcheck.Golden(t, c.name, w)
		httpcheck.NothingInner(t, w)
	}
}

func TestPagesAreSetAndDeleted(t *testing.T) {
	set := func(err error, settings ...counting.SetCount) func(*mock.MockPages) {
		return func(m *mock.MockPages) {
			errs := make([]error, len(settings))
			errs[len(errs)-1] = err
			m.EXPECT().SetAll(gomock.Any(), settings).Return(errs)
		}
	}
	slash := counting.SetCount{Page: "a/b", Count: 12}
	home := counting.SetCount{Page: "home"}
	const one, two = `{"count":12}`, `[{"page_id":"a/b","count":12},{"page_id":"home","count":0}]`
	for _, c := range []struct {
		name, method, path, kind, body string
		expect                         func(*mock.MockPages)
	}{
		{"admin_page_set", "PUT", "/pages/a%2Fb", asJSON, one, set(nil, slash)},
		{"admin_page_forgotten", "DELETE", "/pages/home", "", "", set(nil, counting.SetCount{Page: "home", Delete: true})},
		{"admin_page_forgotten", "DELETE", "/pages/home", "text/plain", "", set(nil, counting.SetCount{Page: "home", Delete: true})},
		{"admin_pages_set", "POST", "/pages", asJSON, two, set(nil, slash, home)},
		{"admin_pages_set_none", "POST", "/pages", asJSON, `[]`, func(m *mock.MockPages) { m.EXPECT().SetAll(gomock.Any(), gomock.Len(0)) }},
		{"admin_pages_bad_body", "POST", "/pages", asJSON, `{"page_id":"a","count":1}`, nil},
		{"admin_pages_bad_body", "POST", "/pages", asJSON, `[{"page_id":"a","count":1,"more":2}]`, nil},
		{"admin_pages_bad_body", "POST", "/pages", asJSON, two + "[]", nil},
		{"admin_pages_bad_count", "POST", "/pages", asJSON, `[{"page_id":"a"}]`, nil},
		{"admin_pages_bad_count", "POST", "/pages", asJSON, `[{"page_id":"a","count":-1}]`, nil},
		{"admin_pages_bad_page", "POST", "/pages", asJSON, `[{"page_id":"","count":1}]`, nil},
		{"admin_pages_too_many", "POST", "/pages", asJSON, "[" + strings.Repeat(`{"page_id":"a","count":1},`, 2000) + `{"page_id":"a","count":1}]`, nil},
		{"admin_pages_not_json", "POST", "/pages", "text/plain", two, nil},
		{"admin_pages_not_json", "PUT", "/pages/home", "", one, nil},
		{"admin_page_bad_count", "PUT", "/pages/home", asJSON, `{}`, nil},
		{"admin_page_bad_count", "PUT", "/pages/home", asJSON, `{"count":-1}`, nil},
		{"admin_page_bad_count", "PUT", "/pages/home", asJSON, `{"count":9223372036854775808}`, nil},
		{"admin_pages_bad_page", "PUT", "/pages/", asJSON, one, nil},
		{"admin_pages_bad_page", "DELETE", "/pages/", "", "", nil},
		{"admin_page_moving", "PUT", "/pages/a%2Fb", asJSON, one, set(httpcheck.Inner(counting.Moving), slash)},
		{"admin_page_moving", "POST", "/pages", asJSON, two, set(httpcheck.Inner(counting.Moving), slash, home)},
		{"admin_page_unavailable", "PUT", "/pages/a%2Fb", asJSON, one, set(away(), slash)},
		{"admin_page_in_doubt", "DELETE", "/pages/home", "", "", set(httpcheck.Inner(errors.New("anything else")), counting.SetCount{Page: "home", Delete: true})},
		{"admin_pages_wrong_method", "PATCH", "/pages", asJSON, two, nil},
		{"admin_page_wrong_method", "GET", "/pages/home", "", "", nil},
	} {
		t.Run(c.name+" "+c.method, func(t *testing.T) {
			h, m := newAdmin(t, "", true)
			if c.expect != nil {
				c.expect(m.pages)
			}
			w := administer(t, h, c.method, c.path, c.kind, c.body)
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

func TestPagesOfABadBodyAreNotSet(t *testing.T) {
	for _, c := range []struct{ method, target, body, code string }{
		{"PUT", "/pages/home", `{"count":1,"count":2}`, "bad_count"},
		{"PUT", "/pages/home", `{"COUNT":1}`, "bad_count"},
		{"PUT", "/pages/home", `{"count":1,"dry_run":true}`, "bad_count"},
		{"PUT", "/pages/home", `{"count":1}}`, "bad_count"},
		{"PUT", "/pages/home", `{"count":1} ` + "\xff", "bad_count"},
		{"DELETE", "/pages/home", `{"dry_run":true}`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"a","count":1},{"page_id":"b","count":1,"count":2}]`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"a","count":1},{"PAGE_ID":"b","count":1}]`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"a","count":1}]]`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"x\udcff","count":1},{"page_id":"x\udcfe","count":2}]`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"\ufffd","count":1},{"page_id":"\udcfe","count":2}]`, "bad_body"},
		{"POST", "/pages", `[{"page_id":"a","count":1},{"count":2}]`, "bad_page_id"},
	} {
		h, _ := newAdmin(t, "", true)
		if w := administer(t, h, c.method, c.target, asJSON, c.body); w.Code != 400 || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, w.Code, w.Body)
		}
	}
}

// N4: counts that are set are a line of the log, with how many they are and who set them,
// also if some of them fail. A request that changes nothing is none.
func TestN4CountsThatAreSetAreLogged(t *testing.T) {
	var log check.Log
	pages := mock.NewMockPages(gomock.NewController(t))
	h := admin.New(admin.Options{Pages: pages, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(&log, nil)), Loopback: true})
	for _, c := range []struct {
		errs []error
		line string
	}{
		{[]error{nil, nil}, "pages=2 of=2"},
		{[]error{nil, counting.ErrUnavailable}, "pages=1 of=2"},
		{[]error{counting.ErrInDoubt, counting.ErrUnavailable}, "pages=0 of=2"},
		{[]error{counting.ErrUnavailable, counting.ErrUnavailable}, ""},
	} {
		before := log.Lines("counts were set")
		pages.EXPECT().SetAll(gomock.Any(), gomock.Any()).Return(c.errs)
		w := httpcheck.Send(t, h, "POST", "/pages", `[{"page_id":"a","count":1},{"page_id":"b","count":2}]`,
			"Host", "127.0.0.1:8001", "Content-Type", asJSON, "User-Agent", strings.Repeat("a", 300))
		wanted := 0
		if c.line != "" {
			wanted = 1
			line := []string{"counts were set", c.line, `request="POST /pages"`, "request_id=" + w.Header().Get("X-Request-Id"), "user_agent=" + strings.Repeat("a", 64) + "\n"}
			check.Equal(t, log.Lines(line...), 1, "lines with %q", line)
		}
		check.Equal(t, log.Lines("counts were set")-before, wanted, "lines after %v", c.errs)
	}
}

// The routes of the public listener are here, too, for all names and any operator.
func TestAdminHasTopAndTotal(t *testing.T) {
	h, m := newAdmin(t, "", true)
	stats := counting.PageStats{AsOf: time.Unix(1763800000, 0).UTC(), Pages: 2, Visits: 12, Top: []counting.Visit{{Page: "home", Count: 12}, {Page: "about"}}}
	m.stats.EXPECT().Stats(gomock.Any(), netip.Prefix{}, counting.PageQuery{}).Return(stats, nil).Times(2)
	httpcheck.Golden(t, "admin_top", query(t, h, "/pages/top?limit=1"))
	httpcheck.Golden(t, "admin_total", query(t, h, "/pages/total"))
}

// S16: the names of pages can be listed by no listener.
func TestS16NoNamesAreListedWhereTheyAreOff(t *testing.T) {
	h := admin.New(admin.Options{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Loopback: true, NoNames: true})
	httpcheck.Golden(t, "admin_pages_off", query(t, h, "/pages"))
	for _, path := range []string{"/pages/top", "/pages/total"} {
		httpcheck.Golden(t, "admin_stats_off", query(t, h, path))
	}
}

// away is the error of a node that is away.
func away() error {
	return counting.Mark(errors.New("apply batch on redis_7071: no answer in time"), counting.ErrUnavailable)
}
