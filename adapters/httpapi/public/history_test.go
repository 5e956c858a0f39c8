package public_test

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// now is that of what is kept in these tests.
var now = time.Date(2026, 11, 28, 10, 20, 30, 0, time.UTC)

// kept is a page with 12 visits on the day of now and 30 before its history began.
func kept(t *testing.T, setting string) counting.PageHistory {
	h := counting.PageHistory{State: counting.HistoryState{Since: now.AddDate(0, 0, -3), Setting: check.Value(counting.ParseHistory(setting))(t)}}
	if h.State.Setting.Unit > 0 {
		h.History = h.History.Append(counting.Bucket{Unit: h.State.Setting.UnitAt(now), Visits: 12})
	}
	h.Visits = 42
	return h
}

// histories shows what is kept of every page.
func histories(r *rig, h counting.PageHistory, err error) {
	r.history.EXPECT().Timelines(gomock.Any(), gomock.Any(), gomock.Any()).AnyTimes().DoAndReturn(func(_ context.Context, pages []counting.Page, asked timeline.Range) []timeline.Timeline {
		one, failed := timeline.Timeline{}, err
		if failed == nil {
			one, failed = asked.Count(h, now)
		}
		one.Err = failed
		return slices.Repeat([]timeline.Timeline{one}, len(pages))
	})
	r.history.EXPECT().Rolling(gomock.Any(), gomock.Any(), gomock.Any()).AnyTimes().DoAndReturn(func(_ context.Context, pages []counting.Page, length time.Duration) []timeline.Rolled {
		all := make([]timeline.Rolled, len(pages))
		for i := range all {
			all[i].Via = "redis_7070"
			kept, failed := timeline.Read(h, now)
			if all[i].Visits = h.Visits; err == nil && failed == nil {
				all[i].Period, failed = kept.Rolling(length)
			}
			all[i].Err = cmp.Or(err, failed)
			if pages[i] == "gone" {
				all[i].Err = httpcheck.Inner(counting.ErrUnavailable)
			}
		}
		return all
	})
}

func TestHistoryHasItsBodies(t *testing.T) {
	const days = "from=2026-11-27&to=2026-11-29&step=day&tz=Europe/Berlin"
	for _, c := range []struct{ name, setting, target string }{
		{"history", "1h:32d", "/visits/home/history?" + days},
		{"history", "1h:32d", "/api/v1/counter/visits/home/history?" + days},
		{"history", "1h:32d", "/visits/home/history?from=2026-11-27T00:00:00+01:00&to=2026-11-29T22:59:59Z&step=day&tz=Europe%2FBerlin"},
		{"history_slashes", "1h:32d", "/visits/blog/a/history?from=2026-11-28T10:00:00Z&to=2026-11-28T11:00:00Z"},
		{"history_slashes", "1h:32d", "/visits/blog%2Fa/history?from=2026-11-28T10:00:00Z&to=2026-11-28T11:00:00Z&tz=&step="},
		{"history_quarters", "15m:32d", "/visits/home/history?from=2026-11-28T15:45:00%2B05:30&to=2026-11-28T16:00:00%2B05:30&step=15m&tz=Asia/Kolkata"},
		{"history_empty", "1h:32d", "/visits/home/history?from=2026-11-28&to=2026-11-28"},
		{"history_off", "off", "/visits/home/history"},
		{"history_bad_page", "1h:32d", "/visits//history"},
		{"read_many_period", "1h:32d", "/visits?page_id=home&page_id=gone&page_id=&period=24h"},
		{"read_many_since", "1h:32d", "/visits?page_id=home&period=7d"},
		{"read_many_off", "off", "/visits?page_id=home&period=24h"},
		{"read_many_short", "1h:7d", "/visits?page_id=home&period=30d"},
		{"read_many_bad_period", "1h:32d", "/visits?page_id=home&period=1h"},
		{"badge_period", "1h:32d", "/visits/home/badge.svg?period=30d"},
		{"badge_off", "off", "/visits/home/badge.svg?period=7d"},
		{"badge_bad_period", "1h:32d", "/visits/home/badge.svg?period=1h"},
		{"badge_unavailable", "1h:32d", "/visits/gone/badge.svg?period=24h"},
	} {
		r := newRig(t)
		histories(r, kept(t, c.setting), nil)
		w := httpcheck.Send(t, r.handler, "GET", c.target, "")
		httpcheck.Golden(t, c.name, w)
	}
	for name, err := range map[string]error{
		"history_unavailable": httpcheck.Inner(counting.ErrUnavailable), "history_corrupt": httpcheck.Inner(counting.Corrupt),
		"history_internal": httpcheck.Inner(errors.New("anything else")),
	} {
		r := newRig(t)
		histories(r, counting.PageHistory{}, err)
		w := httpcheck.Send(t, r.handler, "GET", "/visits/home/history", "")
		httpcheck.Golden(t, name, w)
		httpcheck.NothingInner(t, w)
	}
	httpcheck.Golden(t, "history_wrong_method", httpcheck.Send(t, newRig(t).handler, "POST", "/visits/home/history", ""))
}

func TestBadQuestionsForHistorySayWhy(t *testing.T) {
	for _, c := range []struct{ query, code, says string }{
		{"step=year", "bad_step", "15m, hour, day, week or month"},
		{"step=Day", "bad_step", ""},
		{"step=hour&step=day", "repeated_parameter", "step"},
		{"tz=Mars/Olympus", "bad_tz", "Europe/Berlin"},
		{"tz=Local", "bad_tz", ""},
		{"tz=right/Europe/Berlin", "bad_tz", ""},
		{"tz=../../etc/passwd", "bad_tz", ""},
		{"tz=/etc/localtime", "bad_tz", ""},
		{"tz=Europe%00", "bad_tz", ""},
		{"tz=%zz", "bad_parameter", "tz"},
		{"from=yesterday", "bad_time", "from"},
		{"to=2026-02-30", "bad_time", "to"},
		{"from=2026-11-28T10:00", "bad_time", "from"},
		{"from=1764324000", "bad_time", "from"},
		{"from=2026-11-28&to=2026-11-27", "bad_range", "from is after to"},
		{"from=2026-11-28T10:00:00Z&to=2026-11-28", "bad_range", "from is after to"},
		{"from=9999-01-01", "bad_range", "from is in the future"},
		{"from=2026-01-01&to=2026-11-28", "bad_range", "1000"},
		{"from=0001-01-01&to=9999-12-31&step=15m", "bad_range", "1000"},
		{"step=day&tz=Asia/Kolkata&from=2026-11-20&to=2026-11-28", "resolution", "+05:30"},
		{"step=15m&from=2026-11-28&to=2026-11-29", "resolution", "1h"},
		{"step=day&tz=America/New_York&from=2026-10-01&to=2026-11-28", "resolution", "UTC"},
		{"step=hour&from=2026-10-26T01:00:00Z&to=2026-10-27", "resolution", "UTC"},
		{"since=2026-11-28", "unknown_parameter", "since"},
		{"page%5Fid=home", "unknown_parameter", "page_id"},
	} {
		r := newRig(t)
		histories(r, kept(t, "1h:32d,1d:400d"), nil)
		got := httpcheck.Send(t, r.handler, "GET", "/visits/home/history?"+c.query, "")
		if body := got.Body.String(); got.Code != 400 || !strings.Contains(body, `"code":"`+c.code+`"`) || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s, want %s with %q", c.query, got.Code, body, c.code, c.says)
		}
	}
	// A machine may have files beside the zones.
	for _, zone := range []string{strings.Repeat("x", 1000), "localtime", "posixrules", "Factory", "posix/Europe/Berlin"} {
		got := httpcheck.Send(t, newRig(t).handler, "GET", "/visits/home/history?tz="+zone, "")
		check.Equal(t, got.Code, 400, "the status for the zone %s", zone)
	}
	for _, page := range []string{"/visits?page_id=a&", "/visits/a/badge.svg?"} {
		for _, period := range []string{"1h", "24H", "25h", "24h&period=24h", "%zz"} {
			r := newRig(t)
			if got := httpcheck.Send(t, r.handler, "GET", page+"period="+period, ""); got.Code != 400 {
				t.Errorf("%s with %s: %d %s", page, period, got.Code, got.Body)
			}
		}
	}
}

// N1: history is that of the page before it, whatever that has; a page of that name is read.
func TestHistoryHasTheNamesOfPages(t *testing.T) {
	for path, page := range map[string]counting.Page{
		"blog/hello/history": "blog/hello", "blog%2Fhello/history": "blog/hello", "a/history/history": "a/history", "a%2Fhistory/history": "a/history",
		"history/history": "history", "//history": "/", "a%3Fb/history": "a?b",
	} {
		r := newRig(t)
		r.history.EXPECT().Timelines(gomock.Any(), []counting.Page{page}, gomock.Any()).Return([]timeline.Timeline{{Err: timeline.ErrNoHistory}})
		check.Equal(t, httpcheck.Send(t, r.handler, "GET", "/visits/"+path, "").Code, 404, "the status of %s", path)
	}
	for path, page := range map[string]counting.Page{"history": "history", "a%2Fhistory": "a/history", "a/history/": "a/history/"} {
		r := newRig(t)
		r.visits.EXPECT().Read(gomock.Any(), []counting.Page{page}).Return([]counting.Reading{{}})
		check.Equal(t, httpcheck.Send(t, r.handler, "GET", "/visits/"+path, "").Code, 200, "the status of %s", path)
	}
}

// Every zone of the documentation's examples is known without files of this machine.
func TestZonesAreEmbedded(t *testing.T) {
	t.Setenv("ZONEINFO", "/nonexistent")
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham", "UTC"} {
		r := newRig(t)
		histories(r, kept(t, "15m:32d"), nil)
		got := httpcheck.Send(t, r.handler, "GET", "/visits/home/history?from=2026-11-28&to=2026-11-29&tz="+url.QueryEscape(zone), "")
		check.Equal(t, got.Code, 200, "the status for %s: %s", zone, got.Body)
	}
}
