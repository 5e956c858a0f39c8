package resharding_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// week is the number of windows that nodes keep.
const week = counting.Window(7 * 24 * 60)

// keepWeek gives each of some nodes its part of a week of windows, window w with the count
// w % 1000, and some of them to two nodes. It returns the newest one.
func (c *counter) keepWeek(t *testing.T, ids ...counting.NodeID) counting.Window {
	t.Helper()
	newest := counting.WindowLength(time.Minute).At(time.Now()) - 3
	parts := make(map[counting.NodeID][]counting.FullEntry)
	for w := newest - week + 1; w <= newest; w++ {
		e := counting.FullEntry{Entry: counting.Entry{Window: w, State: counting.Done, Count: int64(w) % 1000, Sink: "log"}}
		i := int(w) % len(ids)
		parts[ids[i]] = append(parts[ids[i]], e)
		if w%7 == 0 { // as of a window whose home has changed, or its copy
			e.State = counting.Sealed
			second := ids[(i+1)%len(ids)]
			parts[second] = append(parts[second], e)
		}
	}
	for id, entries := range parts {
		check.Must(t, c.nodes[id].ImportEntries(t.Context(), 1, entries))
	}
	return newest
}

// V31: a client that follows a list from its newest window to its oldest gets each window once,
// whatever comes and goes meanwhile: nodes, and later windows.
func TestAListThatIsFollowedHasEachWindowOfAWeekOnce(t *testing.T) {
	for _, limit := range []int{1000, 997, 60} {
		synctest.Test(t, func(t *testing.T) {
			c := newCounter(t, newDeployment(t, 3))
			newest := c.keepWeek(t, "n1", "n2", "n3")
			change := map[int]func(){
				1: func() { check.Value(c.ring.Remove(t.Context(), "n2", false))(t) },
				2: func() { c.resolve(t) },
				3: func() { c.forgotten(t, 2) },
				5: func() { check.Value(c.ring.Add(t.Context(), "n4:1", 1, false))(t) },
				6: func() { c.resolve(t) },
				7: func() { check.Value(c.ring.Reweight(t.Context(), "n4", 3, false))(t) },
				8: func() { c.resolve(t); c.pass(t, 4) },
				9: func() { check.Value(c.ring.Remove(t.Context(), "n1", false))(t); c.resolve(t); c.forgotten(t, 2) },
			}
			var listed []counting.Window
			var span publishing.Span
			for page, more := 0, true; more; page++ {
				var some []publishing.Summary
				var err error
				some, more, err = c.List(t.Context(), span, limit)
				check.Must(t, err)
				if len(some) > limit || more && len(some) != limit {
					t.Fatalf("%d windows are listed, with more=%v", len(some), more)
				}
				for _, s := range some {
					w := counting.WindowLength(time.Minute).At(s.Start)
					if w <= newest && (s.State != counting.Done || s.Count != int64(w)%1000) {
						t.Fatalf("%s is listed as %+v", s.ID, s)
					}
					listed = append(listed, w)
				}
				span.To = some[len(some)-1].Start
				if change[page] != nil {
					change[page]()
				}
			}
			oldest := newest - week + 1
			if first, last := listed[0], listed[len(listed)-1]; first <= newest || last != oldest {
				t.Errorf("windows %d to %d are listed, want later ones than %d to %d", first, last, newest, oldest)
			}
			for i, w := range listed[1:] {
				if w >= listed[i] || w < newest && w != listed[i]-1 {
					t.Fatalf("window %d follows %d", w, listed[i])
				}
			}
			if v := c.cluster.View(); v.Index("n2") >= 0 || v.Index("n1") >= 0 || v.Index("n4") < 0 {
				t.Errorf("members are %+v", v.Members())
			}
		})
	}
}

// A span has the windows that start in it, on one node and on several.
func TestASpanHasTheWindowsThatStartInIt(t *testing.T) {
	for _, nodes := range [][]counting.NodeID{{"n1"}, {"n1", "n2", "n3"}} {
		wantSpans(t, nodes)
	}
}

func wantSpans(t *testing.T, nodes []counting.NodeID) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, newDeployment(t, len(nodes)))
		newest := c.keepWeek(t, nodes...)
		length := counting.WindowLength(time.Minute)
		at := func(w counting.Window, after time.Duration) time.Time { return length.Start(newest + w).Add(after) }
		for _, q := range []struct {
			from, to    time.Time
			limit       int
			first, last counting.Window // before the newest
			more        bool
		}{
			{at(-5, 0), at(-2, 0), 10, -3, -5, false},
			{at(-5, time.Nanosecond), at(-2, time.Nanosecond), 10, -2, -4, false},
			{at(-6, time.Minute-time.Nanosecond), at(-2, 0), 3, -3, -5, false},
			{at(-5, 0), at(-2, 0), 2, -3, -4, true},
			{time.Time{}, at(1-week, 2*time.Minute), 10, 2 - week, 1 - week, false},
			{time.Time{}, at(1-week, 2*time.Minute), 1, 2 - week, 2 - week, true},
			{at(0, 0), at(0, time.Hour), 1, 3, 3, true},                                  // the current one
			{at(-1, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), 10, 3, -1, false}, // and no entry of those between
		} {
			got, more, err := c.List(t.Context(), publishing.Span{From: q.from, To: q.to}, q.limit)
			check.Must(t, err)
			name := fmt.Sprint(q.from, " to ", q.to, " limit ", q.limit)
			check.Equal(t, more, q.more, "more of %s", name)
			if len(got) == 0 || !got[0].Start.Equal(at(q.first, 0)) || !got[len(got)-1].Start.Equal(at(q.last, 0)) {
				t.Errorf("%s has %+v", name, got)
			}
		}
		for _, s := range []publishing.Span{{From: at(9, 0)}, {To: at(1-week, 0)}, {From: at(-5, 0), To: at(-5, 0)}, {From: at(-5, time.Second), To: at(-4, 0)}} {
			got, more, err := c.List(t.Context(), s, 10)
			if len(got) != 0 || more || err != nil {
				t.Errorf("%+v has %+v, %v, %v", s, got, more, err)
			}
		}
	})
}
