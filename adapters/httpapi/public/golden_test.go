package public_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func TestEveryVisitRouteHasItsBodies(t *testing.T) {
	record := func(err error) func(*rig) {
		return func(r *rig) { r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).Return(err) }
	}
	read := func(reading counting.Reading) func(*rig) {
		return func(r *rig) {
			r.visits.EXPECT().Read(gomock.Any(), []counting.Page{"home"}).Return([]counting.Reading{reading})
		}
	}
	unread := func(err error) func(*rig) { return read(counting.Reading{Tally: counting.Tally{Err: err}}) }
	home := counting.Reading{Tally: counting.Tally{Visits: 12}, Via: "redis_7070"}
	for _, c := range []struct {
		name, method, target string
		expect               func(*rig)
	}{
		{"record", "POST", "/visit/home", record(nil)},
		{"record", "POST", "/api/v1/counter/visit/home", record(nil)},
		{"record_bad_page", "POST", "/visit/", nil},
		{"record_overflow", "POST", "/visit/home", record(httpcheck.Inner(counting.Overflow))},
		{"record_corrupt", "POST", "/visit/home", record(httpcheck.Inner(counting.Corrupt))},
		{"record_unavailable", "POST", "/visit/home", record(httpcheck.Inner(counting.ErrUnavailable))},
		{"record_unavailable", "POST", "/visit/home", record(httpcheck.Inner(counting.ErrNotApplied))},
		{"record_in_doubt", "POST", "/visit/home", record(httpcheck.Inner(counting.ErrInDoubt))},
		{"record_in_doubt", "POST", "/visit/home", record(httpcheck.Inner(errors.New("anything else")))},
		{"record_in_doubt", "POST", "/visit/home", record(httpcheck.Inner(errors.Join(counting.ErrUnavailable, counting.ErrInDoubt)))},
		{"record_wrong_method", "GET", "/visit/home", nil},
		{"record_wrong_method", "HEAD", "/visit/home", nil},
		{"read", "GET", "/visits/home", read(home)},
		{"read", "GET", "/api/v1/counter/visits/home", read(home)},
		{"read_never_visited", "GET", "/visits/home", read(counting.Reading{Via: "embedded"})},
		{"read_bad_page", "GET", "/visits/%FF", nil},
		{"read_unavailable", "GET", "/visits/home", unread(httpcheck.Inner(counting.ErrUnavailable))},
		{"read_corrupt", "GET", "/visits/home", unread(httpcheck.Inner(counting.Corrupt))},
		{"read_internal", "GET", "/visits/home", unread(httpcheck.Inner(errors.New("anything else")))},
		{"read_wrong_method", "DELETE", "/visits/home", nil},
		{"read_many_wrong_method", "PUT", "/visits", nil},
		{"no_such_route", "GET", "/visit", nil},
		{"no_such_route", "POST", "/visitor/a", nil},
		{"no_such_route", "GET", "//healthz", nil},
	} {
		t.Run(c.name+" "+c.method+" "+c.target, func(t *testing.T) {
			r := newRig(t)
			if c.expect != nil {
				c.expect(r)
			}
			w := httpcheck.Send(t, r.handler, c.method, c.target, "")
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

func TestOnlyUnexpectedErrorsAreLogged(t *testing.T) {
	f := newTallies()
	f.errs["gone"] = httpcheck.Inner(counting.ErrUnavailable)
	f.errs["strange"] = httpcheck.Inner(errors.New("anything else"))
	for _, request := range []string{"POST /visit/%s", "GET /visits/%s", "GET /visits?page_id=%s"} {
		r := newRig(t, withTallies(f))
		method, target, _ := strings.Cut(request, " ")
		httpcheck.Send(t, r.handler, method, fmt.Sprintf(target, "gone"), "")
		if r.log.Len() > 0 {
			t.Errorf("%s logged %s", request, r.log)
		}
		httpcheck.Send(t, r.handler, method, fmt.Sprintf(target, "strange"), "")
		if line := r.log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "anything else") {
			t.Errorf("%s logged %q", request, line)
		}
	}
}

func TestEveryPageOfManyHasItsResult(t *testing.T) {
	f := newTallies()
	f.counts["a"], f.counts["slash/page"] = 3, 4
	f.errs["gone"] = httpcheck.Inner(counting.ErrUnavailable)
	f.errs["odd"] = httpcheck.Inner(counting.Corrupt)
	for _, c := range []struct{ name, target string }{
		{"read_many", "/visits?page_id=a&page_id=slash%2Fpage&page_id=new&page_id=a"},
		{"read_many_part", "/api/v1/counter/visits?page_id=&page_id=a&page_id=gone&page_id=%00&page_id=new"},
		{"read_many_none", "/visits?page_id=gone&page_id=odd&page_id="},
		{"read_many_all_bad", "/visits?page_id=&page_id=" + strings.Repeat("x", 257)},
		{"read_many_missing", "/visits"},
		{"read_many_badly_encoded", "/visits?page_id=%2"},
		{"read_many_too_many", "/visits?" + strings.Repeat("page_id=a&", 1001)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httpcheck.Send(t, newRig(t, withTallies(f)).handler, "GET", c.target, "")
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
	w := httpcheck.Send(t, newRig(t, withTallies(f)).handler, "GET", "/visits?"+strings.Repeat("page_id=a&", 1000), "")
	if w.Code != 200 || strings.Count(w.Body.String(), `"visits":3`) != 1000 {
		t.Errorf("1,000 pages gave %d", w.Code)
	}
}

// Row U13: failures are never answered with 200, and a bad id is "failed".
func TestAcceptSaysOkOnlyWhenTheIDIsStored(t *testing.T) {
	const hook = publishing.Endpoint("http://h.example/hook?a=1")
	accept := func(id counting.ID, e publishing.Endpoint, err error) func(*rig) {
		return func(r *rig) { r.ids.EXPECT().Accept(gomock.Any(), gomock.Any(), id, e).Return(true, err) }
	}
	for _, c := range []struct {
		name, method, query string
		expect              func(*rig)
	}{
		{"accept", "GET", "id=123", accept(123, "", nil)},
		{"accept", "GET", "id=007", accept(7, "", nil)},
		{"accept", "GET", "%69d=-9223372036854775808", accept(-9223372036854775808, "", nil)},
		{"accept", "GET", "id=1&endpoint=", accept(1, "", nil)},
		{"accept", "GET", "id=1&endpoint=http%3A%2F%2FH.example%2Fhook%3Fa%3D1", accept(1, hook, nil)},
		{"accept_forbidden_endpoint", "GET", "id=1&endpoint=" + string(hook), accept(1, hook, httpcheck.Inner(publishing.ErrForbidden))},
		{"accept_bad_id", "GET", "", nil},
		{"accept_bad_id", "GET", "id=", nil},
		{"accept_bad_id", "GET", "id=abc", nil},
		{"accept_bad_id", "GET", "id=1.0", nil},
		{"accept_bad_id", "GET", "id=9223372036854775808", nil},
		{"accept_repeated_parameter", "GET", "id=1&id=1", nil},
		{"accept_bad_parameter", "GET", "id=%zz", nil},
		{"accept_bad_id", "GET", "id=1;endpoint=http://h.example/", nil},
		{"accept_repeated_parameter", "GET", "id=1&endpoint=http://h.example/&endpoint=http://h.example/", nil},
		{"accept_bad_endpoint", "GET", "id=1&endpoint=file:///etc/passwd", nil},
		{"accept_bad_endpoint", "GET", "id=1&endpoint=http://x%0AUnique", nil},
		{"accept_for_now", "GET", "id=1", accept(1, "", httpcheck.Inner(counting.ErrUnavailable))},
		{"accept_limit", "GET", "id=1", accept(1, "", httpcheck.Inner(counting.EndpointLimit))},
		{"accept_in_doubt", "GET", "id=1", accept(1, "", httpcheck.Inner(counting.ErrInDoubt))},
		{"accept_in_doubt", "GET", "id=1", accept(1, "", httpcheck.Inner(errors.New("anything else")))},
		{"accept_wrong_method", "HEAD", "id=1", nil},
		{"accept_wrong_method", "POST", "id=1", nil},
	} {
		t.Run(c.name+" "+c.method+" "+c.query, func(t *testing.T) {
			r := newRig(t)
			if c.expect != nil {
				c.expect(r)
			}
			httpcheck.Golden(t, c.name, httpcheck.Send(t, r.handler, c.method, "/api/verve/accept?"+c.query, ""))
		})
	}
}

// F11: what is not known may be an endpoint, or a part of one.
func TestF11AnUnknownParameterOfAnIDIsRefused(t *testing.T) {
	for _, query := range []string{
		"id=1&endPoint=http%3A%2F%2Fh.example%2F",
		"id=1&url=http%3A%2F%2Fh.example%2F",
		"id=1&endpoint=http://h.example/x?a=1&b=2",
		"id=1&%zz=1",
	} {
		httpcheck.Golden(t, "accept_unknown_parameter", httpcheck.Send(t, newRig(t).handler, "GET", "/api/verve/accept?"+query, ""))
	}
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

func TestWindowsAreListed(t *testing.T) {
	open := publishing.Summary{Report: summary().Report, State: counting.Open}
	spans := func(span publishing.Span, limit int, more bool, err error, list ...publishing.Summary) func(*rig) {
		return func(r *rig) { r.windows.EXPECT().List(gomock.Any(), span, limit).Return(list, more, err) }
	}
	windows := func(limit int, err error, list ...publishing.Summary) func(*rig) {
		return spans(publishing.Span{}, limit, false, err, list...)
	}
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 22, hour, minute, 0, 0, time.UTC) }
	between := func(from, to time.Time) func(*rig) {
		return spans(publishing.Span{From: from, To: to}, 60, true, nil, open, summary())
	}
	const cursor = "AAAAAGsCsDw" // 2026-11-22T09:05:00Z, where summary starts
	check.Equal(t, request.Cursor(at(9, 5)), cursor, "the cursor")
	for _, c := range []struct {
		name, query string
		expect      func(*rig)
	}{
		{"windows", "", windows(60, nil, open, summary())},
		{"windows_none", "limit=1", windows(1, nil)},
		{"windows_none", "limit=1000", windows(1000, nil)},
		{"windows_bad_limit", "limit=0", nil},
		{"windows_bad_limit", "limit=1001", nil},
		{"windows_none", "limit=", windows(60, nil)},
		{"windows_repeated_limit", "limit=1&limit=1", nil},
		{"windows_more", "", between(time.Time{}, time.Time{})},
		{"windows_more", "from=2026-11-22T08:00:00Z", between(at(8, 0), time.Time{})},
		{"windows_more", "from=2026-11-22T09:00:00%2B01:00&to=2026-11-22T11:00:00+01:00", between(at(8, 0), at(10, 0))},
		{"windows_more", "from=2026-11-22&to=2026-11-22", between(at(0, 0), at(0, 0))},
		{"windows_more", "cursor=&from=&to=", between(time.Time{}, time.Time{})},
		{"windows_more", "cursor=" + cursor, between(time.Time{}, at(9, 5))},
		{"windows_more", "from=2026-11-22&to=2026-11-22T11:00:00Z&cursor=" + cursor, between(at(0, 0), at(9, 5))},
		{"windows_more", "to=2026-11-22T09:04:00Z&cursor=" + cursor, between(time.Time{}, at(9, 4))},
		{"windows_bad_time", "from=yesterday", nil},
		{"windows_bad_range", "from=2026-11-23&to=2026-11-22", nil},
		{"windows_bad_cursor", "cursor=AAAAAGsCsD", nil},           // a part of one
		{"windows_bad_cursor", "cursor=" + cursor + "A", nil},      // and more than one
		{"windows_bad_cursor", "cursor=AAAAAGsCsDx", nil},          // with bits that no cursor has
		{"windows_bad_cursor", "cursor=" + cursor + "%3D", nil},    // padded
		{"windows_bad_cursor", "cursor=" + cursor + "%0A", nil},    // with a line break
		{"windows_bad_cursor", "cursor=______4ezIA", nil},          // before 1970
		{"windows_bad_cursor", "cursor=AAAAOv_0QYA", nil},          // 10000-01-01
		{"windows_bad_cursor", "cursor=footfall_20261", nil},       // 10 arbitrary bytes
		{"windows_bad_cursor", "cursor=MTc5NTI4MDM", nil},          // 8 of them
		{"windows_bad_cursor", "cursor=2026-11-22T09:05:00Z", nil}, // a time
		{"windows_unavailable", "", windows(60, httpcheck.Inner(counting.ErrUnavailable))},
		{"windows_internal", "", windows(60, httpcheck.Inner(errors.New("anything else")))},
	} {
		t.Run(c.name+" "+c.query, func(t *testing.T) {
			r := newRig(t)
			if c.expect != nil {
				c.expect(r)
			}
			w := httpcheck.Send(t, r.handler, "GET", "/api/verve/windows?"+c.query, "")
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
		})
	}
}

// Row V26: with every node down the service lives but isn't ready. Row V19: and
// it doesn't say where the nodes are.
func TestHealthTellsAliveFromReadyAndWhy(t *testing.T) {
	r := newRig(t)
	httpcheck.Golden(t, "healthz", httpcheck.Send(t, r.handler, "GET", "/healthz", ""))
	httpcheck.Golden(t, "readyz", httpcheck.Send(t, r.handler, "GET", "/readyz", ""))
	r.nodes[1].Answers = false
	httpcheck.Golden(t, "readyz_part", httpcheck.Send(t, r.handler, "GET", "/readyz", ""))
	r.nodes[0].Answers = false
	httpcheck.Golden(t, "healthz", httpcheck.Send(t, r.handler, "GET", "/healthz", ""))
	w := httpcheck.Send(t, r.handler, "GET", "/readyz", "")
	httpcheck.Golden(t, "readyz_not", w)
}
