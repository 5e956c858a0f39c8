package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"footfall/application/history"
	"footfall/domain/counting"
	"footfall/test/check"
)

// isFull gives a node a history since some hours ago, and no room before some calls of DropHistory.
func (n *node) isFull(t *testing.T, hours, calls int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = counting.HistoryState{Setting: hourly(t), Since: time.Now().Add(-time.Duration(hours) * time.Hour)}
	n.full, n.noRoom = calls, counting.Mark(counting.ErrNotApplied, counting.ErrNoRoom)
}

// inNode is a page of a node.
func (r *rig) inNode(i int) (page counting.Page) {
	v := r.cluster.View()
	page = "page"
	for v.Owner(v.Arc(page)) != i {
		page += "x"
	}
	return page
}

// A file that is full says only that a batch may not be applied.
func TestANodeWithoutRoomDropsHistoryUntilItHasSome(t *testing.T) {
	for name, noRoom := range map[string]error{"not applied": counting.Mark(counting.ErrNotApplied, counting.ErrNoRoom), "in doubt": counting.ErrNoRoom} {
		t.Run(name, func(t *testing.T) {
			dropped := 0
			scenario(t, history.Options{Setting: hourly(t), Dropped: func(counting.NodeID) { dropped++ }}, func(t *testing.T, r *rig) {
				r.nodes[1].isFull(t, 30, 3)
				r.nodes[1].noRoom = noRoom
				check.Must(t, r.history.Start(t.Context()))
				check.Must(t, r.visits.Record(t.Context(), r.inNode(1), 2))
				elapse(time.Minute)
				check.Equal(t, len(r.nodes[1].drops), 4, "calls, of two for each step")
				check.Equal(t, dropped, 2, "steps that were observed")
				check.Equal(t, len(r.nodes[0].drops), 0, "calls of a node that has room")
				check.Equal(t, strings.Count(r.log.String(), "the oldest history was dropped"), 2, "lines in the log")
				check.Must(t, r.visits.Record(t.Context(), r.inNode(1), 2))
				elapse(time.Minute)
				check.Equal(t, len(r.nodes[1].drops), 4, "calls when there is room")
			})
		})
	}
}

// A step that only restored pages had something of may free nothing. Visits wait for those that do, however many pages
// a step walks through. Where restored pages fill the node, they lose no more than others do.
func TestOneRestoredPageDoesNotLetVisitsBeRefused(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		steps, walk int
		kept        time.Duration
	}{
		{5, 2, 12*day + 12*time.Hour},
		{5, 10_000, 12*day + 12*time.Hour},
		{1, 2, 200 * day},
		{1, 10_000, 200 * day},
	} {
		t.Run(fmt.Sprint(c.steps, " steps of ", c.walk, " calls"), func(t *testing.T) {
			dropped := 0
			scenario(t, history.Options{Setting: hourly(t), Dropped: func(counting.NodeID) { dropped++ }}, func(t *testing.T, r *rig) {
				n := r.nodes[1]
				n.isFull(t, 20*24, c.steps)
				n.state.Floor, n.walk = n.state.FirstFloor(time.Now()), c.walk
				check.Must(t, r.history.Start(t.Context()))
				check.Must(t, r.visits.Record(t.Context(), r.inNode(1), 2))
				elapse(time.Minute)
				check.Equal(t, time.Since(n.state.Floor).Truncate(time.Hour), c.kept, "time that is kept")
				check.Equal(t, dropped, 1, "steps that were observed")
				check.Equal(t, len(n.drops) >= c.walk, true, "is the last step whole")
			})
		})
	}
}

// A node that has no more history refuses immediately, and is seldom asked.
func TestANodeWithoutRoomAndHistoryRefuses(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		r.nodes[1].isFull(t, 0, 1)
		check.Must(t, r.history.Start(t.Context()))
		for range 100 {
			begin := time.Now()
			check.Is(t, r.visits.Record(t.Context(), r.inNode(1), 2), counting.ErrUnavailable)
			if took := time.Since(begin); took > 100*time.Millisecond {
				t.Fatalf("a visit was refused after %v", took)
			}
			elapse(100 * time.Millisecond)
		}
		check.Equal(t, len(r.nodes[1].drops), 0, "calls")
	})
}

// Visits do not wait for long where dropping does not help.
func TestVisitsWaitForRoomForABoundedTime(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		r.nodes[1].isFull(t, 10_000, 1_000)
		check.Must(t, r.history.Start(t.Context()))
		begin := time.Now()
		check.Is(t, r.visits.Record(t.Context(), r.inNode(1), 2), counting.ErrUnavailable)
		if took := time.Since(begin); took < 600*time.Millisecond || took > 800*time.Millisecond {
			t.Errorf("a visit was refused after %v, want about 0.6 s", took)
		}
	})
}
