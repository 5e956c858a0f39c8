package groupcommit_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// P1: what is repeated to a node that forgot it is what was sent, item by item.
func TestARepetitionIsWhatWasSent(t *testing.T) {
	scenario(t, groupcommit.Options{KeyLimit: 10}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		before := n.Snapshot()
		var tickets []groupcommit.Ticket
		add := func(ticket groupcommit.Ticket) { tickets = append(tickets, ticket) }
		await := func() {
			t.Helper()
			for _, ticket := range tickets {
				check.OK(t, ticket.Wait())
			}
			tickets = nil
		}
		for i, count := range []int64{1, 127, 1 << 40, math.MaxInt64} {
			add(c.AddVisit(1, counting.Arc(math.MaxUint16>>(4*i)), counting.Page(fmt.Sprintf("página-%d", i)), count))
		}
		await()
		for i, id := range []counting.ID{0, -1, math.MaxInt64, math.MinInt64} {
			add(c.AddID(1, counting.IDEvent{ID: id, Endpoint: fmt.Sprintf("http://host/%0*d", 100*i, i), Table: 1}))
			add(c.AddID(1, counting.IDEvent{ID: id + 7, Table: 1}))
		}
		add(c.AddVisit(1, 5, "home", 2))
		once := counting.RequestKey{Key: counting.Key{1, 2}, Print: counting.Fingerprint{3, 4}}
		add(c.AddKeyed(1, counting.KeyedVisit{RequestKey: once, Visit: counting.Visit{Arc: 6, Page: "keyed", Count: 3}}, time.Time{}))
		add(c.AddSetCount(1, counting.SetCount{Arc: 7, Page: "set", Count: 4}, time.Time{}))
		await()
		sent := n.calls()
		var visits []counting.Visit
		var arrivals []counting.IDEvent
		for _, b := range sent {
			visits, arrivals = append(visits, b.Visits...), append(arrivals, b.IDEvents...)
		}
		wantAllFields(t, reflect.ValueOf(visits))
		wantAllFields(t, reflect.ValueOf(arrivals))
		n.Restore(before)
		wantVisit(t, c, "home", nil) // finds that they are forgotten
		calls := n.calls()
		again := calls[len(sent)+1 : len(calls)-1]
		for i := range again {
			check.Equal(t, again[i].Repeated, true, "whether the repetition says so")
			again[i].Repeated, again[i].At = false, time.Time{} // TestP11ARepetitionIsPlacedByTheTimeOfTheFirstAnswer
		}
		if !reflect.DeepEqual(again, sent) {
			t.Errorf("repeated:\n%+v\nsent:\n%+v", again, sent)
		}
	})
}

// wantAllFields wants each field of a struct to be set in one of them: one that
// comes to the struct and not to this test would be missed.
func wantAllFields(t *testing.T, all reflect.Value) {
	t.Helper()
	kind := all.Type().Elem()
	for field := range kind.NumField() {
		set := false
		for i := range all.Len() {
			set = set || !all.Index(i).Field(field).IsZero()
		}
		if !set {
			t.Errorf("no %v has the field %s", kind, kind.Field(field).Name)
		}
	}
}
