package public_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func countLimit(n int64) func(*options) {
	return func(o *options) { o.CountLimit = n }
}

// statuses sends a bulk, and returns the error of each item, empty for none.
func statuses(t *testing.T, r *rig, body string) (all []string) {
	t.Helper()
	w := httpcheck.Send(t, r.handler, "POST", "/visits", body)
	var reply struct {
		Results []struct{ Status, Error string }
	}
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &reply))
	for _, one := range reply.Results {
		if (one.Status == "success") != (one.Error == "") {
			t.Errorf("a result is %+v", one)
		}
		all = append(all, one.Error)
	}
	return all
}

// S1: an item above the limit, or beyond the sum of a request, fails alone.
func TestS1CountsAboveTheLimitFailAlone(t *testing.T) {
	for _, c := range []struct {
		limit   int64
		counts  []int64
		want    string
		counted int64
	}{
		{1000, []int64{1000, 1001, 9223372036854775802, 1}, ",count_limit,count_limit,", 1001},
		{1000, []int64{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 999, 2, 1, 1}, ",,,,,,,,,,count_limit,,count_limit", 10000},
		{1, []int64{1, 2, 1}, ",count_limit,", 2},
		{0, []int64{9223372036854775802}, "", 9223372036854775802}, // no limit
	} {
		tallies := newTallies()
		r := newRig(t, withTallies(tallies), countLimit(c.limit))
		var items []string
		for _, n := range c.counts {
			items = append(items, fmt.Sprintf(`{"page_id":"shop","count":%d}`, n))
		}
		for _, body := range []string{"[" + strings.Join(items, ",") + "]", strings.Join(items, "\n")} {
			tallies.counts = map[counting.Page]int64{}
			check.Equal(t, strings.Join(statuses(t, r, body), ","), c.want, "errors of %s", body)
			check.Equal(t, tallies.counts["shop"], c.counted, "counted of %s", body)
		}
		want := fmt.Sprintf("footfall_counts_refused_total{reason=\"limit\"} %d\n", 2*strings.Count(c.want, "count_limit"))
		check.Must(t, testutil.GatherAndCompare(r.metrics, strings.NewReader("# HELP footfall_counts_refused_total Visits of the public and the ingest listener that were refused for their number, by reason: limit, overflow.\n"+
			"# TYPE footfall_counts_refused_total counter\n"+want+"footfall_counts_refused_total{reason=\"overflow\"} 0\n"), "footfall_counts_refused_total"))
	}
}

// A limit below what a bulk of single visits needs refuses none of them.
func TestS1ABulkOfSingleVisitsFitsAnyLimit(t *testing.T) {
	tallies := newTallies()
	body := "[" + strings.Repeat(`{"page_id":"a"},`, 1999) + `{"page_id":"a"}]`
	statuses(t, newRig(t, withTallies(tallies), countLimit(1)), body)
	check.Equal(t, tallies.counts["a"], 2000, "visits")
}

// S1: visits that a page has no room for are counted, and one line a minute says so.
func TestS1AnOverflowIsLoggedAndCounted(t *testing.T) {
	tallies := newTallies()
	tallies.errs["full"] = counting.Overflow
	r := newRig(t, withTallies(tallies), countLimit(1000))
	check.Equal(t, httpcheck.Send(t, r.handler, "POST", "/visit/full", "").Code, 409, "status")
	check.Equal(t, strings.Join(statuses(t, r, `[{"page_id":"full"},{"page_id":"b"},{"page_id":"full"}]`), ","), "overflow,,overflow", "errors")
	check.Equal(t, strings.Count(r.log.String(), `the count of the page would pass 2^63-1" page_id=full`), 1, "lines in %s", r.log)
	metrics := check.Value(r.metrics.Gather())(t)
	for _, m := range metrics {
		if m.GetName() == "footfall_counts_refused_total" {
			check.Equal(t, m.GetMetric()[1].GetCounter().GetValue(), 3.0, "overflows")
		}
	}
}

// S1, P2: keys of items go by their numbers. Where another instance has another limit, a
// repetition must not give an item the key of another, so none is counted.
func TestS1WithAKeyACountAboveTheLimitRefusesTheRequest(t *testing.T) {
	tallies := newTallies()
	r := newRig(t, withTallies(tallies), countLimit(1000))
	w := httpcheck.Send(t, r.handler, "POST", "/visits", `[{"page_id":"a","count":5000},{"page_id":"b"}]`, "Idempotency-Key", "k")
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"code":"count_limit"`) || len(tallies.counts) > 0 {
		t.Errorf("%d %s, counted %v", w.Code, w.Body, tallies.counts)
	}
}
