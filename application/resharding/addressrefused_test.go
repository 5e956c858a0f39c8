package resharding_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// P3: the server at the new address must be the node, with the newest data, and alone.
// Whatever is refused changes nothing.
func TestANewAddressIsRefusedUnlessTheNodeIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		a := w.start(t, nil, former...)
		old := w.at["n1:1"].Snapshot()
		check.Value(a.ring.Reweight(t.Context(), "n1", 2, false))(t)
		a.resolve(t)
		a.count(t, 50)
		w.serve("n1", "alive:1", w.at["n1:1"].Snapshot())
		refused := func(id counting.NodeID, addr string, want error, says ...string) {
			t.Helper()
			for _, dry := range []bool{true, false} {
				err := check.Err(a.ring.MoveAddress(t.Context(), id, addr, dry))
				check.Is(t, err, want, "%s to %s", id, addr)
				check.Says(t, err, says...)
			}
		}
		refused("n1", "alive:1", sharding.ErrTwoServers, "n1:1", "alive:1", "stop the old one first")
		w.set(func() {
			w.say["n1:1"] = counting.Mark(&counting.ServerError{Says: "LOADING it", Err: errors.New("LOADING it")}, counting.ErrNotApplied)
		})
		refused("n1", "alive:1", sharding.ErrTwoServers, "n1:1", "LOADING it")
		w.set(func() { delete(w.say, "n1:1") })

		now := w.stop("n1:1")
		w.serve("n1", "old:1", old)
		w.serve("n1", "empty:1", localnode.Snapshot{})
		w.serve("n2", "other:1", w.at["n2:1"].Snapshot())
		elsewhere := newNetwork(1)
		elsewhere.start(t, nil, "n1:1")
		w.serve("n1", "foreign:1", elsewhere.at["n1:1"].Snapshot())
		w.serve("n1", "replica:1", now)
		w.set(func() {
			w.say["replica:1"] = counting.Mark(&counting.ServerError{Says: "READONLY", Err: errors.New("it is a replica")}, counting.ErrUnusable)
		})
		refused("n1", "old:1", sharding.ErrWrongServer, "older copy", "of epoch 1", "in epoch 2", "newest data")
		refused("n1", "empty:1", sharding.ErrWrongServer, "empty:1 is empty", "with the data of n1")
		refused("n1", "other:1", sharding.ErrWrongServer, "another node", "n2")
		refused("n1", "foreign:1", sharding.ErrWrongServer, "another deployment")
		refused("n1", "replica:1", sharding.ErrWrongServer, "it is a replica")
		refused("n1", "nothing:1", counting.ErrUnavailable, "connection refused")
		refused("n1", "n2:1", sharding.ErrBadChange, "same address")
		refused("n4", "n4:1", sharding.ErrBadChange, "n4 is not in it")
		w.serve("n1", "n1:7", now)
		w.stop("n2:1")
		refused("n1", "n1:7", counting.ErrUnavailable, "n2")
		w.set(func() { w.off["n2:1"] = false })
		for _, addr := range []string{"n2:1", "n3:1"} {
			if p := check.Value(w.at[addr].RingSummary(t.Context()))(t); p.Fence != 2 || p.Opened != 2 {
				t.Errorf("%s: %+v, want epoch 2", addr, p)
			}
		}
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		a.wantCounted(t, 50)
	})
}

// P3: a server that comes back at the old address is opened for no ring, and has no part in
// the counts, whatever list an instance starts with. It can't be moved to.
func TestAServerThatComesBackAtTheOldAddressIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		a := w.start(t, nil, former...)
		a.count(t, 50)
		w.serve("n1", "n1:7", w.stop("n1:1"))
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		w.set(func() { w.off["n1:1"] = false })
		c := w.start(t, nil, former...)
		time.Sleep(time.Minute)
		for _, d := range []*deployment{a, c} {
			d.wantCounted(t, 50)
		}
		for _, page := range []counting.Page{"0", "1", "2", "3"} {
			check.Must(t, c.visits.Record(t.Context(), page, 100))
		}
		for i, page := range []counting.Page{"0", "1", "2", "3"} {
			a.wantVisits(t, page, int64(101+i))
		}
		check.Equal(t, check.Value(w.at["n1:1"].RingSummary(t.Context()))(t).Opened, 1, "the epoch of the old server")
		w.stop("n1:7")
		check.Says(t, check.Err(c.ring.MoveAddress(t.Context(), "n1", "n1:1", false)), "older copy")
	})
}

// V17: the change is rolled back when a node is not fenced, and can be repeated, though the
// server at the new address has missed the epoch after it.
func TestAnAddressChangeThatWasRolledBackIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		var cut atomic.Bool
		a := w.start(t, func(addr string, c chaos.Call) error {
			if addr == "n3:1" && c.Method == "fence" && cut.Load() {
				return chaos.ErrCut
			}
			return nil
		}, former...)
		a.count(t, 50)
		w.serve("n1", "n1:7", w.stop("n1:1"))
		cut.Store(true)
		check.Is(t, check.Err(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false)), counting.ErrUnavailable)
		cut.Store(false)
		time.Sleep(5 * time.Second)
		if v := a.cluster.View(); v.Epoch() < 3 || v.Members()[0].Addr != "n1:1" {
			t.Errorf("the ring is %d, %+v", v.Epoch(), v.Members()[0])
		}
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		a.wantCounted(t, 50)
	})
}

// P4: a node dies after it was fenced for a change that the others make. Its newest data lacks
// the ring, and is no older copy: it follows at the new address, and the arcs move. So does
// a node that was joining, and has opened no ring. A change of the address that was rolled
// back before makes no difference.
func TestANodeThatMissedTheLastRingGoesOnAtAnotherAddress(t *testing.T) {
	for id, opened := range map[counting.NodeID]counting.Epoch{"n1": 1, "n4": 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newNetwork(4)
			w.set(func() { w.at["n4:1"].Restore(localnode.Snapshot{}) })
			last := map[counting.NodeID]string{"n1": "accept", "n4": "open"}[id]
			var died, cut atomic.Bool
			a := w.start(t, func(addr string, c chaos.Call) error {
				if addr == string(id)+":1" && c.Method == last && (id == "n1" || c.Ring.Epoch() == 2) {
					w.stop(addr)
					died.Store(true)
					return chaos.ErrCut
				}
				if addr == "n3:1" && c.Method == "fence" && cut.Load() {
					return chaos.ErrCut
				}
				return nil
			}, former...)
			a.count(t, 100)
			a.ring.Locate = func(where string, _ []sharding.Member) (counting.NodeID, string, error) {
				return counting.NodeID(where[:2]), where, nil
			}
			check.Value(a.ring.Add(t.Context(), "n4:1", 1, false))(t)
			if !died.Load() {
				t.Fatal("the node has not died")
			}
			addr := string(id) + ":7"
			w.serve(id, addr, w.stop(string(id)+":1"))
			if p := check.Value(w.at[addr].RingSummary(t.Context()))(t); p.Opened != opened || p.Fence != 2 || a.cluster.View().Epoch() != 2 {
				t.Fatalf("the node is at %+v, the ring at %d", p, a.cluster.View().Epoch())
			}
			check.Value(a.ring.MoveAddress(t.Context(), id, addr, true))(t)
			cut.Store(true)
			check.Is(t, check.Err(a.ring.MoveAddress(t.Context(), id, addr, false)), counting.ErrUnavailable)
			cut.Store(false)
			time.Sleep(5 * time.Second)
			if v := a.cluster.View(); v.Epoch() < 4 || v.Members()[v.Index(id)].Addr == addr {
				t.Fatalf("the ring is %d, %+v", v.Epoch(), v.Members())
			}
			check.Value(a.ring.MoveAddress(t.Context(), id, addr, false))(t)
			if st := a.resolve(t); st.Moves.Pages == 0 {
				t.Error("no page has moved")
			}
			a.wantCounted(t, 100)
		})
	}
}

// V17: a node dies before it is fenced for a change, which is rolled back without it. Its
// newest data is an epoch behind.
func TestANodeThatMissedARollBackGoesOnAtAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		a := w.start(t, func(addr string, c chaos.Call) error {
			if addr == "n1:1" && c.Method == "fence" && c.Ring.Epoch() == 2 {
				w.stop("n1:1")
				return chaos.ErrCut
			}
			return nil
		}, former...)
		a.count(t, 50)
		check.Is(t, check.Err(a.ring.Reweight(t.Context(), "n2", 2, false)), counting.ErrUnavailable)
		data := w.stop("n1:1")
		w.serve("n1", "n1:7", data)
		if p := check.Value(w.at["n1:7"].RingSummary(t.Context()))(t); p.Fence != 1 || a.cluster.View().Epoch() < 2 {
			t.Fatalf("the node is at %+v, the ring at %d", p, a.cluster.View().Epoch())
		}
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		a.wantCounted(t, 50)
	})
}

// V17: the coordinator dies, and the node that decides alone answers at its new address
// only. The others finish the change when they meet its ring at another node. If only the
// node itself has met it, the command does, at any instance.
func TestAnAddressChangeIsFinishedByOthers(t *testing.T) {
	for _, at := range []string{"fence", "accept", "open"} {
		synctest.Test(t, func(t *testing.T) {
			w := newNetwork(2)
			var dead atomic.Bool
			a := w.start(t, func(addr string, c chaos.Call) error {
				if c.Method == at && c.Ring.Epoch() == 2 && addr == "n2:1" {
					dead.Store(true)
				}
				if dead.Load() && (addr != "n1:7" || c.Method != at) {
					return chaos.ErrDead
				}
				return nil
			}, former[:2]...)
			b := w.start(t, nil, former[:2]...)
			b.count(t, 50)
			w.serve("n1", "n1:7", w.stop("n1:1"))
			if err := check.Err(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false)); !dead.Load() {
				t.Fatalf("the coordinator has not died: %v", err)
			}
			time.Sleep(20 * time.Second)
			if at == "fence" {
				check.Equal(t, b.cluster.View().Epoch(), 1, "the epoch that only the node itself is fenced above")
				check.Value(b.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
			}
			check.Equal(t, b.cluster.View().Members()[0].Addr, "n1:7", "the address after a death at %s", at)
			b.wantCounted(t, 50)
		})
	}
}

// P4: a ring of one node tells no other instance where it is. The command does, there too.
func TestTheOnlyNodeOfARingMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(1)
		a, b := w.start(t, nil, "n1:1"), w.start(t, nil, "n1:1")
		a.count(t, 20)
		w.serve("n1", "n1:7", w.stop("n1:1"))
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		plan := check.Value(b.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		check.Equal(t, plan.Epoch, 2, "the epoch at the other instance")
		for _, d := range []*deployment{a, b, w.start(t, nil, "n1:7")} {
			d.wantCounted(t, 20)
		}
	})
}

// A store of one node, and one whose ring does not say where its servers are, have no
// addresses to change.
func TestAddressesThatTheRingDoesNotDecideAreNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 2)
		err := check.Err(d.ring.MoveAddress(t.Context(), "n1", "n1:7", false))
		check.Is(t, err, sharding.ErrBadChange)
		if !strings.Contains(err.Error(), "the ring does not say where") {
			t.Error(err)
		}
	})
}
