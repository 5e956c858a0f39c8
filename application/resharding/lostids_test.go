package resharding_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

// X8, P6: a node is abandoned. No id is accepted for a window that is lost: the one of the
// change, and the next one. Every id that is acknowledged after the change is published.
func TestX8NoIDIsAcceptedForAWindowThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		c := newCounter(t, d)
		d.lose("n2")
		check.Value(d.ring.Abandon(t.Context(), false, "n2"))(t)
		acknowledged := int64(0)
		for id := range counting.ID(60) {
			switch _, err := c.Accept(t.Context(), netip.Prefix{}, id, ""); {
			case err == nil:
				acknowledged++
			case !errors.Is(err, counting.ErrUnavailable):
				t.Errorf("id %d: %v", id, err)
			}
			_ = c.Scan(t.Context())
			time.Sleep(10 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		_ = c.Scan(t.Context())
		published := int64(0)
		for _, counts := range c.sink.reports {
			published += counts[0]
		}
		if acknowledged < 40 || published != acknowledged {
			t.Errorf("%d ids were acknowledged, and %d were published", acknowledged, published)
		}
	})
}

// X7, P5: only n2 knows of a window, which the others seal when n2 does not answer any more.
// n2 is abandoned. The window is lost, and says so.
func TestX7AWindowThatWasSealedWithoutTheNodeThatKnewItIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, w := newLoneWindow(t)
		h.refuse(func(node counting.NodeID, call chaos.Call) bool {
			return node == "n2" && call.Method == "seal" && call.Window == w
		})
		time.Sleep(time.Minute)
		if err := c.Scan(t.Context()); err == nil || h.failed == 0 {
			t.Fatalf("the window is closed without n2: %v", err)
		}
		c.wantLost(t, w)
	})
}

// X7, P5: only n2 knows of a window. It does not answer a heartbeat, but answers when a later
// window is closed, and is abandoned afterwards. The window is lost, and says so.
func TestX7NoWindowIsClosedBeforeAnOlderOneThatIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, w := newLoneWindow(t)
		h.refuse(func(node counting.NodeID, call chaos.Call) bool { return node == "n2" && call.Method == "heartbeat" })
		_ = c.Heartbeat(t.Context()) // n1 and n3 know the next window
		time.Sleep(2 * time.Minute)
		if err := c.Scan(t.Context()); err == nil || h.failed == 0 {
			t.Fatalf("n2 answers: %v", err)
		}
		c.wantLost(t, w)
	})
}

// X7, P5: only n2 knows of a window, of which an instance stops that has claimed it. Another
// instance closes a later window. n2 is abandoned. The window is lost, and says so.
func TestX7NoWindowIsClosedBeforeAnOlderOneThatIsNotSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, w := newLoneWindow(t)
		check.Must(t, c.Heartbeat(t.Context()))
		time.Sleep(time.Minute)
		if _, _, err := c.cluster.View().Home(w).Claim(t.Context(), w, "another", 15*time.Second); err != nil {
			t.Fatal(err)
		}
		check.Must(t, c.Scan(t.Context()))
		c.wantLost(t, w)
	})
}

// X7: a window is lost, and then its home is abandoned, too. It is listed as lost still.
func TestX7ThatAWindowIsLostOutlivesItsHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, newDeployment(t, 5))
		c.pass(t, 2)
		abandon := func(id counting.NodeID) {
			t.Helper()
			c.lose(id)
			check.Value(c.ring.Abandon(t.Context(), false, id))(t)
			for range 5 {
				time.Sleep(time.Minute)
				_ = c.Scan(t.Context())
			}
		}
		lost := func() (ids []string) {
			t.Helper()
			for _, s := range check.Value(c.Windows(t.Context(), 1000))(t) {
				if s.State == counting.Lost {
					ids = append(ids, s.ID)
				}
			}
			return ids
		}
		abandon("n5")
		before := lost()
		if len(before) == 0 {
			t.Fatal("no window is lost")
		}
		v := c.cluster.View()
		abandon(v.Home(check.Value(v.ParseWindowID(before[0]))(t)).ID())
		for _, id := range before {
			if !slices.Contains(lost(), id) {
				t.Errorf("window %s is not lost any more: %v", id, lost())
			}
		}
	})
}

// X7, P5: the home of a window is abandoned when an instance has sealed it there, and not yet
// copied that. Another one marks the window as lost at the second node, and then does
// not reach the new home for longer than its lease. The first one copies its count there,
// and publishes it.
func TestX7AWindowThatIsLostAtOneNodeAndSealedAtTheOtherIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(faults)
		c := newCounter(t, newDeploymentOf(t, 3, h.around))
		c.pass(t, 2)
		w := counting.WindowLength(time.Minute).At(time.Now())
		for id := range counting.ID(7) {
			_, err := c.Accept(t.Context(), netip.Prefix{}, id, "")
			check.Must(t, err)
		}
		old := c.cluster.View()
		home, second := old.Home(w), old.Second(w)
		c.lose(home.ID())
		check.Value(c.ring.Abandon(t.Context(), false, home.ID()))(t)
		now := c.cluster.View()
		check.Equal(t, second.ID(), now.Home(w).ID(), "the new home is where the old ring has the copy")
		time.Sleep(time.Minute + 10*time.Second)
		h.refuse(func(node counting.NodeID, call chaos.Call) bool {
			return node == second.ID() && call.Method == string(counting.ActionLose)
		})
		if err := c.Scan(t.Context()); err == nil || h.failed == 0 {
			t.Fatalf("the new home is reached: %v", err)
		}
		time.Sleep(20 * time.Second)
		token, _, err := second.Claim(t.Context(), w, "old", time.Second) // as copyEntry does by the old ring
		check.Must(t, err)
		check.Value(second.Advance(t.Context(), w, token, counting.Record(7)))(t)
		h.set(func() { h.before = nil })
		for range 60 {
			time.Sleep(10 * time.Second)
			_ = c.Scan(t.Context())
		}
		if got := c.sink.reports[now.WindowID(w)]; len(got) != 1 || got[0] != 7 {
			t.Errorf("it is published with %v, want 7", got)
		}
	})
}

// X7, P5: an instance seals a window at its home, which is lost before the count is copied.
// Another one abandons that node, and the window is lost at its new home. The first instance
// does not publish it.
func TestX7AWindowThatIsLostByANewerRingIsNotPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(faults)
		d := newDeployment(t, 3)
		c, late := newCounter(t, d), newCounter(t, d.another(t, h.around))
		c.pass(t, 2)
		w := counting.WindowLength(time.Minute).At(time.Now())
		for id := range counting.ID(7) {
			check.Must(t, check.Err(c.Accept(t.Context(), netip.Prefix{}, id, "")))
		}
		time.Sleep(time.Minute + 10*time.Second)
		home, second := late.cluster.View().Home(w).ID(), late.cluster.View().Second(w).ID()
		lost := false
		h.set(func() {
			h.before = func(_ context.Context, node counting.NodeID, call chaos.Call) error {
				if node == second && call.Method == "claim" && call.Window == w && !lost {
					lost = true
					c.lose(home)
					check.Value(c.ring.Abandon(t.Context(), false, home))(t)
					_ = c.Scan(t.Context())
				}
				return nil
			}
		})
		err := late.Scan(t.Context())
		id := c.cluster.View().WindowID(w)
		if s, _, showErr := c.Deliveries(t.Context(), id); !lost || showErr != nil || s.State != counting.Lost {
			t.Fatalf("the window is %q, %v; node lost: %t; the late scan: %v", s.State, showErr, lost, err)
		}
		if got := late.sink.reports[id]; len(got) > 0 {
			t.Errorf("a window that is lost is published with %v", got)
		}
	})
}

// newLoneWindow has a window of which n2 alone knows, with one id, and which has ended.
func newLoneWindow(t *testing.T) (*counter, *faults, counting.Window) {
	t.Helper()
	h := new(faults)
	c := newCounter(t, newDeploymentOf(t, 3, h.around))
	c.pass(t, 2)
	time.Sleep(time.Minute) // all nodes know the window that is over now
	h.refuse(func(node counting.NodeID, _ chaos.Call) bool { return node != "n2" })
	for id := counting.ID(0); ; id++ {
		if _, err := c.Accept(t.Context(), netip.Prefix{}, id, ""); err == nil {
			break
		}
	}
	w := counting.WindowLength(time.Minute).At(time.Now())
	time.Sleep(time.Minute)
	h.set(func() { h.before = nil })
	return c, h, w
}

// wantLost abandons n2 and wants a window to be listed as lost.
func (c *counter) wantLost(t *testing.T, w counting.Window) {
	t.Helper()
	time.Sleep(10 * time.Second) // what was published is done
	c.lose("n2")
	check.Value(c.ring.Abandon(t.Context(), false, "n2"))(t)
	for range 5 {
		time.Sleep(time.Minute)
		_ = c.Scan(t.Context())
	}
	id := c.cluster.View().WindowID(w)
	if s, _, err := c.Deliveries(t.Context(), id); err != nil || s.State != counting.Lost {
		t.Errorf("window %s is %q, %v; published were %v", id, s.State, err, c.sink.reports)
	}
}
