package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// halfWay adds n4 to three nodes. What the others send has arrived; the arcs of n3 are
// at all stages of their moves, which no mover continues until d.ring.Start is called.
func (d *deployment) halfWay(t *testing.T) {
	t.Helper()
	d.stopMovers(t)
	check.Value(d.ring.Add(t.Context(), "n4:1", 1, false))(t)
	v := d.cluster.View()
	for _, m := range v.Moves() {
		if v.Members()[m.From].ID == "n3" {
			d.begin(t, m, int(m.Arc/4%4))
		} else {
			d.begin(t, m, 3)
		}
	}
}

// V13, V19, P4: a node is to be abandoned while arcs are on their way from it, and the
// others refuse, early or late. It comes back, and nothing is lost: its moves go on.
func TestMovesFromANodeGoOnWhenItWasNotAbandoned(t *testing.T) {
	for step, why := range map[string]error{
		"confirm": errors.New("append-only file: no answer within 5s"),
		"accept":  errors.New("it is read-only"),
	} {
		synctest.Test(t, func(t *testing.T) {
			var h faults
			d := newDeploymentOf(t, 3, h.around)
			const pages = 300
			d.count(t, pages)
			d.halfWay(t)
			d.wantCounted(t, pages)
			bringBack := d.lose("n3")
			h.set(func() {
				h.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
					if c.Method == step {
						return why
					}
					return nil
				}
			})
			if _, err := d.ring.Abandon(t.Context(), false, "n3"); !errors.Is(err, counting.ErrUnavailable) || !errors.Is(err, why) {
				t.Fatalf("n3 is abandoned though others fail to %s: %v", step, err)
			}
			h.set(func() { h.before = nil })
			bringBack()
			time.Sleep(time.Minute)
			check.Must(t, d.ring.Start(t.Context()))
			if st := d.resolve(t); len(st.Losses) > 0 {
				t.Errorf("lost: %v", st.Losses)
			}
			d.wantCounted(t, pages)
			check.OK(t, d.ring.Repair(t.Context()))
			if s := d.ring.Status(t.Context()).Sweep; s.Forgotten > 0 || len(s.Orphans) > 0 {
				t.Errorf("swept are %d, orphans %+v", s.Forgotten, s.Orphans)
			}
		})
	}
}

// V13, P4: a source is abandoned when the moves from it have begun. What the destination
// has taken in counts on, nothing more comes, and the next change is held up by nothing.
func TestMovesFromANodeThatIsAbandonedEndAsTheyStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		const pages = 600
		d.count(t, pages)
		d.halfWay(t)
		v := d.cluster.View()
		d.lose("n3")
		check.Value(d.ring.Abandon(t.Context(), false, "n3"))(t)
		met := make(map[counting.Arc]int)
		want := func(i int) int64 {
			arc := v.Arc(counting.Page(fmt.Sprint(i)))
			if n3 := v.Index("n3"); v.Owner(arc) == n3 {
				return 0
			} else if v.From(arc) == n3 {
				met[arc/4%4]++
				if arc/4%4 < 2 {
					return 0
				}
			}
			return int64(i + 1)
		}
		for i := range pages {
			d.wantVisits(t, counting.Page(fmt.Sprint(i)), want(i))
		}
		if len(met) < 4 {
			t.Fatalf("pages at all stages of a move: %v", met)
		}
		check.Must(t, d.ring.Start(t.Context()))
		d.resolve(t)
		check.Value(d.ring.Remove(t.Context(), "n4", false))(t)
		d.resolve(t)
		for i := range pages {
			d.wantVisits(t, counting.Page(fmt.Sprint(i)), want(i))
		}
	})
}

// V19, P4: the disks of the others are waited for, and meanwhile the node that was to
// be abandoned is back.
func TestANodeThatIsBackWhileDisksAreWaitedForIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h faults
		d := newDeploymentOf(t, 3, h.around)
		const pages = 100
		d.count(t, pages)
		bringBack := d.lose("n3")
		h.set(func() {
			h.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
				if c.Method != "confirm" {
					return nil
				}
				time.Sleep(5 * time.Second)
				h.set(func() {
					bringBack()
					bringBack = func() {}
				})
				return nil
			}
		})
		check.Is(t, check.Err(d.ring.Abandon(t.Context(), false, "n3")), sharding.ErrAnswers, "n3, which is back, is abandoned")
		if st := d.ring.Status(t.Context()); st.Epoch != 1 || st.Fence != 1 {
			t.Errorf("status: %+v", st)
		}
		d.wantCounted(t, pages)
	})
}
