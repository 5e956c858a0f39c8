package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
	"footfall/test/httpcheck"
	"footfall/test/mock"
)

func TestTheSettingOfHistoryIsShownAndChanged(t *testing.T) {
	quarters := check.Value(counting.ParseHistory("15m:32d,1d:400d"))(t)
	since := time.Date(2026, 11, 28, 11, 20, 30, 0, time.FixedZone("elsewhere", 3600))
	status := timeline.Status{Configured: check.Value(counting.ParseHistory("1h:32d,1d:400d"))(t), Nodes: []timeline.NodeState{
		{ID: "redis_7070", HistoryState: counting.HistoryState{Setting: quarters, Since: since}},
		{ID: "redis_7071"},
		{ID: "redis_7073", HistoryState: counting.HistoryState{Off: true}},
		{ID: "redis_7072", Err: httpcheck.Inner(counting.ErrUnavailable)},
	}}
	set := func(h counting.HistorySetting, err error) func(*mock.MockRetention) {
		return func(m *mock.MockRetention) { m.EXPECT().Set(gomock.Any(), h).Return(status, err) }
	}
	for _, c := range []struct {
		name, method, kind, body string
		expect                   func(*mock.MockRetention)
	}{
		{"history", "GET", "", "", func(m *mock.MockRetention) { m.EXPECT().Status(gomock.Any()).Return(status) }},
		{"history", "PUT", asJSON, `{"history":"15m:32d,1d:400d"}`, set(quarters, nil)},
		{"history", "PUT", asJSON, `{"history":"off"}`, set(counting.HistorySetting{}, nil)},
		{"history_away", "PUT", asJSON, `{"history":"15m:32d,1d:400d"}`, set(quarters, counting.Mark(fmt.Errorf("node redis_7072: %w", errors.New("connection refused")), counting.ErrUnavailable))},
		{"history_bad", "PUT", asJSON, `{"history":"1h"}`, nil},
		{"history_bad_body", "PUT", asJSON, `{"setting":"off"}`, nil},
		{"history_not_json", "PUT", "text/plain", `{"history":"off"}`, nil},
	} {
		h, m := newAdmin(t, "", true)
		if c.expect != nil {
			c.expect(m.history)
		}
		httpcheck.Golden(t, c.name, administer(t, h, c.method, "/history", c.kind, c.body))
	}
}

func TestPagesAreReadWithTheirHistories(t *testing.T) {
	names := []counting.Page{"home", "a/\"b<", "damaged"}
	saved := []timeline.SavedPage{
		{Page: "home", Count: 42, History: timeline.Saved{
			Since: 1_764_000_000, Quarters: [][2]int64{{1_764_504_900, 1}}, Hours: [][2]int64{{1_764_500_400, 3}, {1_764_504_000, 4}}, Days: [][2]int64{{1_764_460_800, 5}},
		}},
		{Page: "a/\"b<", History: timeline.Saved{Since: 1_764_000_000}},
		{Page: "damaged", Err: httpcheck.Inner(counting.Corrupt)},
	}
	const body = `{"page_ids":["home","a/\"b<","damaged"]}`
	save := func(pages []timeline.SavedPage, err error) func(*mock.MockRetention) {
		return func(m *mock.MockRetention) { m.EXPECT().Save(gomock.Any(), names).Return(pages, err) }
	}
	for _, c := range []struct {
		name, kind, body string
		expect           func(*mock.MockRetention)
	}{
		{"saved", asJSON, body, save(saved, nil)},
		{"saved_off", asJSON, body, save(nil, timeline.ErrNoHistory)},
		{"saved_away", asJSON, body, save(nil, away())},
		{"saved_bad_body", asJSON, `{"page_ids":"home"}`, nil},
		{"admin_pages_bad_page", asJSON, `{"page_ids":["home",""]}`, nil},
		{"saved_too_many", asJSON, `{"page_ids":["a"` + strings.Repeat(`,"a"`, 2000) + `]}`, nil},
		{"history_not_json", "text/plain", body, nil},
	} {
		h, m := newAdmin(t, "", true)
		if c.expect != nil {
			c.expect(m.history)
		}
		httpcheck.Golden(t, c.name, administer(t, h, "POST", "/pages/history", c.kind, c.body))
	}
}

func TestAPageIsSetWithItsHistory(t *testing.T) {
	since, hour := time.Now().Add(-50*time.Hour).Truncate(time.Second), time.Now().Truncate(time.Hour).Add(-3*time.Hour)
	history := counting.Restored(since).Append(counting.Bucket{Unit: counting.HistorySetting{Unit: time.Hour}.UnitAt(hour), Visits: 3})
	body := func(bucket string) string {
		return fmt.Sprintf(`[{"page_id":"home","count":12,"history":{"since":%d,"1h":[%s]}},{"page_id":"about","count":1}]`, since.Unix(), bucket)
	}
	for _, c := range []struct {
		name, body string
		err        error
		set        bool
	}{
		{"admin_pages_set", body(fmt.Sprintf("[%d,3]", hour.Unix())), nil, true},
		{"saved_no_place", body(fmt.Sprintf("[%d,3]", hour.Unix())), httpcheck.Inner(counting.NoHistory), true},
		{"saved_bad", body("[3600,3]"), nil, false},
		{"admin_pages_bad_body", body("[3600]"), nil, false},
		{"admin_pages_bad_body", `[{"page_id":"home","count":12,"history":{"from":3}}]`, nil, false},
		{"admin_pages_bad_body", `[{"page_id":"home","count":12,"history":null}]`, nil, false},
	} {
		h, m := newAdmin(t, "", true)
		if c.set {
			m.pages.EXPECT().SetAll(gomock.Any(), []counting.SetCount{{Page: "home", Count: 12, History: history}, {Page: "about", Count: 1}}).Return([]error{c.err, nil})
		}
		httpcheck.Golden(t, c.name, administer(t, h, "POST", "/pages", asJSON, c.body))
	}
}
