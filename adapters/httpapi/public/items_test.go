package public_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// itemSeries are the values of the metrics of items that are not 0, sorted.
func itemSeries(t *testing.T, r *rig) []string {
	t.Helper()
	var all []string
	for _, f := range check.Value(r.metrics.Gather())(t) {
		if f.GetName() != "footfall_items_total" && f.GetName() != "footfall_visits_total" {
			continue
		}
		for _, s := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "footfall_")
			for _, l := range s.GetLabel() {
				name += " " + l.GetValue()
			}
			if value := s.GetCounter().GetValue(); value > 0 {
				all = append(all, fmt.Sprint(name, " ", value))
			}
		}
	}
	slices.Sort(all)
	return all
}

// N6: what a bulk refuses is in a metric, though its answer is 200, and so are visits that
// were counted. Requests of one item are counted in the same way.
func TestN6ItemsAreCountedByTheirOutcome(t *testing.T) {
	tallies := newTallies()
	tallies.errs["away"] = counting.ErrUnavailable
	tallies.errs["late"] = counting.ErrInDoubt
	tallies.errs["broken"] = errors.New("anything else")
	r := newRig(t, withTallies(tallies), countLimit(1000))
	r.ids.EXPECT().Accept(gomock.Any(), gomock.Any(), gomock.Any(), publishing.Endpoint("")).AnyTimes().Return(true, nil)
	histories(r, kept(t, "off"), nil)
	for _, c := range []struct {
		method, target, body string
		want                 []string
	}{
		{"POST", "/visit/home", "", []string{"items_total visit ok 1", "visits_total 1"}},
		{"POST", "/visit/away", "", []string{"items_total visit refused 1"}},
		{"POST", "/api/v1/counter/visit/late", "", []string{"items_total visit in_doubt 1"}},
		{"POST", "/visit/%FF", "", []string{"items_total visit bad 1"}},
		{
			"POST", "/visits", `[{"page_id":"a","count":3},{"page_id":"away"},{"page_id":"late"},{"page_id":"b","count":7},{"page_id":""},{"page_id":"c","count":1001}]`,
			[]string{"items_total visit bad 2", "items_total visit in_doubt 1", "items_total visit ok 2", "items_total visit refused 1", "visits_total 10"},
		},
		{"POST", "/visits", `[{"page_id":"away"},{"page_id":"away"}]`, []string{"items_total visit refused 2"}}, // it is 503 as a whole
		{"POST", "/visits", `no JSON`, nil},
		{"GET", "/visits/home", "", []string{"items_total read ok 1"}},
		{"GET", "/visits/broken", "", []string{"items_total read failed 1"}},
		{"GET", "/visits?page_id=home&page_id=&page_id=away", "", []string{"items_total read bad 1", "items_total read ok 1", "items_total read refused 1"}},
		{"GET", "/visits?page_id=home&page_id=&page_id=away&period=24h", "", []string{"items_total read bad 3"}}, // it is 404 as a whole
		{"GET", "/api/verve/accept?id=1", "", []string{"items_total id ok 1"}},
		{"GET", "/api/verve/accept?id=x", "", []string{"items_total id bad 1"}},
		{"GET", "/healthz", "", nil},
	} {
		before := itemSeries(t, r)
		httpcheck.Send(t, r.handler, c.method, c.target, c.body)
		check.Equal(t, strings.Join(added(t, before, itemSeries(t, r)), "\n"), strings.Join(c.want, "\n"), "%s %s %s", c.method, c.target, c.body)
	}
}

// added are the series that have risen, with the difference, in the order of after.
func added(t *testing.T, before, after []string) (all []string) {
	t.Helper()
	values := make(map[string]float64)
	read := func(line string) (name string, value float64) {
		at := strings.LastIndexByte(line, ' ')
		_, err := fmt.Sscan(line[at:], &value)
		check.Must(t, err)
		return line[:at], value
	}
	for _, line := range before {
		name, value := read(line)
		values[name] = value
	}
	for _, line := range after {
		if name, value := read(line); value > values[name] {
			all = append(all, fmt.Sprint(name, " ", value-values[name]))
		}
	}
	return all
}
