package public_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// sendKeyed sends a request with keys.
func sendKeyed(t *testing.T, r *rig, target, body string, keys ...string) *httptest.ResponseRecorder {
	t.Helper()
	var headers []string
	for _, key := range keys {
		headers = append(headers, "idempotency-key", key)
	}
	return httpcheck.Send(t, r.handler, "POST", target, body, headers...)
}

func onceOf(t *testing.T, key, kind, payload string) counting.RequestKey {
	t.Helper()
	k := check.Value(counting.ParseKey(key))(t)
	return counting.RequestKey{Key: k, Print: counting.FingerprintOf(kind, []byte(payload))}
}

func TestARequestWithAKeyIsRecordedOnce(t *testing.T) {
	home := []counting.Visit{{Page: "a/b", Count: 1}}
	want := onceOf(t, "k 1", "visit", "a/b")
	for _, c := range []struct {
		name, target string
		errs         []error
		err          error
	}{
		{"record_keyed", "/visit/a%2Fb", []error{nil}, nil},
		{"record_keyed", "/api/v1/counter/visit/a%2fb", []error{nil}, nil},
		{"record_overflow", "/visit/a%2Fb", []error{httpcheck.Inner(counting.Overflow)}, nil},
		{"record_in_doubt", "/visit/a%2Fb", []error{httpcheck.Inner(counting.ErrInDoubt)}, nil},
		{"record_unavailable", "/visit/a%2Fb", nil, httpcheck.Inner(counting.ErrUnavailable)},
		{"record_key_reused", "/visit/a%2Fb", nil, httpcheck.Inner(counting.KeyReused)},
		{"record_key_limit", "/visit/a%2Fb", nil, httpcheck.Inner(counting.KeyLimit)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.visits.EXPECT().RecordOnce(gomock.Any(), want, home).Return(c.errs, c.err)
			w := sendKeyed(t, r, c.target, "the body isn't looked at", "k 1")
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

func TestABulkWithAKeyIsRecordedOnce(t *testing.T) {
	const body = `[{"page_id":"home","count":3},{"page_id":""},{"page_id":"about"}]`
	visits := []counting.Visit{{Page: "home", Count: 3}, {Page: "about", Count: 1}}
	for _, c := range []struct {
		name string
		errs []error
		err  error
	}{
		{"bulk_keyed", []error{nil, nil}, nil},
		{"bulk_keyed_part", []error{nil, httpcheck.Inner(counting.KeyLimit)}, nil},
		{"bulk_key_reused", nil, httpcheck.Inner(counting.KeyReused)},
		{"bulk_key_limit", nil, httpcheck.Inner(counting.KeyLimit)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.visits.EXPECT().RecordOnce(gomock.Any(), onceOf(t, "k", "visits", body), visits).Return(c.errs, c.err)
			httpcheck.Golden(t, c.name, sendKeyed(t, r, "/visits", body, "k"))
		})
	}
}

func TestABadKeyCountsNothing(t *testing.T) {
	for name, keys := range map[string][]string{
		"record_bad_key_empty": {""}, "record_bad_key_long": {strings.Repeat("x", 256)},
		"record_bad_key_byte": {"caf\xc3\xa9"}, "record_bad_key_twice": {"a", "a"},
	} {
		httpcheck.Golden(t, name, sendKeyed(t, newRig(t), "/visit/home", "", keys...))
	}
	httpcheck.Golden(t, "bulk_bad_key", sendKeyed(t, newRig(t), "/visits", `[{"page_id":"home"}]`, "a", "b"))
}
