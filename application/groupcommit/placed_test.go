package groupcommit_test

import (
	"fmt"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// P11: a visit that was not placed is not placed when it is repeated.
func TestP11ARepetitionOfWhatWasNotPlacedIsNotPlaced(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		before := n.Snapshot()
		wantVisit(t, c, "first", nil)
		n.Restore(before)
		wantVisit(t, c, "second", nil)
		calls := n.calls()
		if again := calls[len(calls)-2]; !again.Repeated || !again.At.Equal(counting.Unplaced()) {
			t.Errorf("repeated with %+v", again)
		}
	})
}

// P11: a visit that is repeated is placed where it was at first, also in another session
// (KeepBytes of 1 keeps the last batch only), and when it is repeated twice.
func TestP11ARepetitionIsPlacedByTheTimeOfTheFirstAnswer(t *testing.T) {
	for _, bytes := range []int{0, 1} {
		scenario(t, groupcommit.Options{KeepBytes: bytes}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			n.placed = make(map[counting.Page][]time.Time)
			pages := 0
			visit := func() {
				pages++
				wantVisit(t, c, counting.Page(fmt.Sprint("page", pages)), nil)
				time.Sleep(time.Second)
			}
			visit()
			before := n.Snapshot()
			visit()
			if bytes > 0 {
				visit() // the one before is not kept
			}
			for range 2 {
				n.Restore(before)
				visit()
			}
			if bytes > 0 {
				wantLost(t, n, 1, 2)
			}
			repeated := 0
			for page, times := range n.placed {
				repeated = max(repeated, len(times))
				for _, at := range times {
					if !at.Equal(times[0]) {
						t.Errorf("%s is placed at %v and at %v", page, times[0], at)
					}
				}
			}
			if repeated < 2 {
				t.Error("nothing was repeated")
			}
		})
	}
}
