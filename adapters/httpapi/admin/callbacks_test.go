package admin_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func failedCallback() publishing.FailedCallback {
	return publishing.FailedCallback{
		Window: "footfall_20261122T090500Z", Endpoint: "http://a.example/hook?a=1", Count: 123,
		FailedAt: time.Date(2026, 11, 22, 9, 6, 40, 5e6, time.UTC), Attempts: 3, Status: 503,
	}
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) {
		t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, code)
	}
}

func TestAdminListsFailedCallbacks(t *testing.T) {
	h, m := newAdmin(t, "", true)
	chosen := publishing.FailedSelection{
		Since: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), Window: "w", Endpoint: "http://a.example/hook?a=1", Cursor: "c", Limit: 7,
	}
	m.callbacks.EXPECT().FailedCallbacks(gomock.Any(), gomock.Any()).DoAndReturn(func(_ any, f publishing.FailedSelection) ([]publishing.FailedCallback, string, error) {
		f.Since = f.Since.UTC()
		check.Equal(t, f, chosen, "the selection")
		return []publishing.FailedCallback{failedCallback()}, "next", nil
	})
	httpcheck.Golden(t, "admin_callbacks", query(t, h, "/callbacks?state=failed&since=2026-11-22T00:00:00%2B01:00&window=w&endpoint=http://A.example/hook?a%3D1&cursor=c&limit=7"))
	m.callbacks.EXPECT().FailedCallbacks(gomock.Any(), publishing.FailedSelection{Limit: publishing.MaxFailed}).Return(nil, "", nil)
	httpcheck.Golden(t, "admin_callbacks_none", query(t, h, "/callbacks"))
}

func TestAdminRetriesFailedCallbacks(t *testing.T) {
	h, m := newAdmin(t, "", true)
	m.callbacks.EXPECT().RetryCallbacks(gomock.Any(), publishing.FailedSelection{Window: "w", Limit: publishing.MaxFailed}).Return([]publishing.RetriedCallback{
		{FailedCallback: failedCallback(), Result: publishing.Delivered},
		{FailedCallback: failedCallback(), Result: publishing.Failed, Error: "no answer in time"},
	}, "", nil)
	httpcheck.Golden(t, "admin_callbacks_retry", administer(t, h, "POST", "/callbacks/retry", "application/json", `{"state":"failed","window":"w"}`))
	m.callbacks.EXPECT().RetryCallbacks(gomock.Any(), gomock.Any()).Return(nil, "", away())
	w := administer(t, h, "POST", "/callbacks/retry", "application/json", `{}`)
	check.Equal(t, w.Code, 503, "status while a node is away")
}

func TestAdminRefusesSelectionsThatItDoesNotUnderstand(t *testing.T) {
	h, m := newAdmin(t, "", true)
	m.callbacks.EXPECT().FailedCallbacks(gomock.Any(), gomock.Any()).Return(nil, "", publishing.ErrBadCursor)
	for target, code := range map[string]string{
		"/callbacks?state=open":          "bad_state",
		"/callbacks?since=24h":           "bad_time",
		"/callbacks?endpoint=x":          "bad_endpoint",
		"/callbacks?limit=101":           "bad_limit",
		"/callbacks?cursor=x":            "bad_cursor",
		"/callbacks?windows=w":           "unknown_parameter",
		"/callbacks?window=w&window=w":   "repeated_parameter",
		"/callbacks?state=failed&from=1": "unknown_parameter",
	} {
		wantProblem(t, query(t, h, target), 400, code)
	}
	wantProblem(t, administer(t, h, "POST", "/callbacks/retry", "text/plain", `{}`), 415, "not_json")
	wantProblem(t, administer(t, h, "POST", "/callbacks/retry", "application/json", `{"limit":1}`), 400, "bad_body")
	wantProblem(t, administer(t, h, "POST", "/callbacks/retry", "application/json", ``), 400, "bad_body")
}
