package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// filling is a deployment of seven nodes with faults between them, and a page in almost
// every arc.
type filling struct {
	*deployment
	*faults
	pages map[counting.Arc]counting.Page
}

func filled(t *testing.T) filling {
	t.Helper()
	h := &faults{}
	d := filling{newDeploymentOf(t, 7, h.around), h, make(map[counting.Arc]counting.Page)}
	var all []counting.Visit
	for i := range 3 * sharding.Arcs {
		page := counting.Page(fmt.Sprint(i))
		if arc := d.cluster.View().Arc(page); d.pages[arc] == "" {
			d.pages[arc] = page
			all = append(all, counting.Visit{Page: page, Count: 1})
		}
	}
	for some := range slices.Chunk(all, 5000) {
		for _, err := range d.visits.RecordAll(t.Context(), some) {
			check.Must(t, err)
		}
	}
	return d
}

func (d *filling) wantAll(t *testing.T) {
	t.Helper()
	for arc, page := range d.pages {
		if arc%8 == 0 {
			d.wantVisits(t, page, 1)
		}
	}
}

// drain adds a node and returns how long it takes until no more than these
// arcs are left.
func (d *deployment) drain(t *testing.T, left int) time.Duration {
	t.Helper()
	begin := time.Now()
	check.Value(d.ring.Add(t.Context(), "new:1", 1, false))(t)
	for d.left(t) > left {
		if time.Since(begin) > time.Hour {
			t.Fatalf("%d arcs are left, want %d", d.left(t), left)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

func (d *deployment) left(t *testing.T) int {
	t.Helper()
	p := check.Value(d.node("new").RingSummary(t.Context()))(t)
	return p.Incoming
}

// A store that syncs once a second is asked about many arcs at once, and has
// the time that it needs.
func TestOneSyncIsForManyArcs(t *testing.T) {
	for _, sync := range []time.Duration{time.Second, 5 * time.Second} {
		t.Run(sync.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := filled(t)
				calls, claims, most, arcs, at, mostAt := 0, 0, 0, 0, 0, 0
				d.before = func(ctx context.Context, _ counting.NodeID, c chaos.Call) error {
					n := len(c.Arcs)
					switch {
					case c.Method == "claimarcs":
						d.set(func() { claims, most = claims+1, max(most, n) })
					case c.Method != "confirm":
						return nil
					case n > 0: // with none, a change is about to begin
						d.set(func() {
							calls, most, arcs, at = calls+1, max(most, n), arcs+n, at+1
							mostAt = max(mostAt, at)
						})
						defer d.set(func() { at-- })
					}
					return wait(ctx, sync)
				}
				took := d.drain(t, 0)
				d.wantAll(t)
				d.set(func() {
					if d.failed > 0 || most > 128 || arcs < 1500 || calls > arcs/60 || claims > arcs/60 || mostAt > 4 {
						t.Errorf("%d arcs by %d and %d syncs, of %d at most, %d at once; %d failed", arcs, claims, calls, most, mostAt, d.failed)
					}
					if most := time.Duration(arcs/512+1) * (2*sync + sync/2); took > most {
						t.Errorf("%d arcs took %v, want %v at most", arcs, took, most)
					}
				})
			})
		})
	}
}

// Arcs that can't be moved hold up no others, are reported with the node and the
// reason, and go over soon after what is in the way is gone.
func TestArcsThatAreStuckHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(t)
		wrong := func(arc counting.Arc) bool { return arc%100 == 7 }
		corrupt := func(arc counting.Arc) bool { return arc%100 == 8 }
		d.corrupt = corrupt
		d.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
			if c.Method == "fetch" && wrong(c.Arcs[0]) {
				return errWrongType
			}
			return nil
		}
		next := check.Value(d.cluster.View().Add(sharding.Change{}, sharding.Member{ID: "new", Addr: "new:1", Weight: 1}))(t)
		stuck := 0
		for _, m := range next.Moves() {
			if wrong(m.Arc) && d.pages[m.Arc] != "" || corrupt(m.Arc) {
				stuck++
			}
		}
		if took := d.drain(t, stuck); stuck < 10 || took > time.Minute {
			t.Errorf("the others took %v, with %d in the way", took, stuck)
		}
		time.Sleep(time.Minute) // each was tried often enough
		st := d.ring.Status(t.Context()).Moves
		if st.Left != stuck || len(st.Stuck) != stuck {
			t.Fatalf("%d are left and %d of %d are stuck", st.Left, len(st.Stuck), stuck)
		}
		for _, s := range st.Stuck {
			named := wrong(s.Arc) && s.Reason == "failed" && strings.Contains(s.Why, "WRONGTYPE") || corrupt(s.Arc) && s.Reason == "corrupt"
			if !named || s.At != s.From || s.To != "new" {
				t.Errorf("stuck is %+v", s)
			}
		}
		// Another instance moves one of them.
		other := st.Stuck[0]
		v := d.cluster.View()
		d.begin(t, sharding.Move{Arc: other.Arc, From: v.Index(other.From), To: v.Index(other.To)}, 3)
		stuck--
		time.Sleep(time.Minute)
		st = d.ring.Status(t.Context()).Moves
		if st.Left != stuck || len(st.Stuck) != stuck || st.Stuck[0].Arc == other.Arc {
			t.Errorf("%d are left and %d of %d are stuck", st.Left, len(st.Stuck), stuck)
		}
		before := 0
		d.set(func() { before = d.failed })
		time.Sleep(5 * time.Minute)
		d.set(func() {
			if tries := d.failed - before; tries > 30*stuck {
				t.Errorf("%d tries of %d arcs in 5 minutes", tries, stuck)
			}
			d.before, d.corrupt = nil, nil
		})
		check.Must(t, d.ring.Repair(t.Context()))
		time.Sleep(2 * time.Second) // they need not wait as long as before
		if st := d.ring.Status(t.Context()).Moves; st.Left != 0 || len(st.Stuck) != 0 {
			t.Errorf("%d arcs are left, stuck are %v", st.Left, st.Stuck)
		}
		d.wantAll(t)
	})
}

// P4: arcs whose closing a power cut takes back are closed again, and hold up no
// change.
func TestArcsThatAPowerCutOpensAgainAreClosedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(t)
		var kept localnode.Snapshot
		d.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
			if c.Method == "confirm" && len(c.Arcs) > 0 {
				d.set(func() { kept = d.node("new").Snapshot() })
			}
			return nil
		}
		d.drain(t, 0)
		time.Sleep(10 * time.Second) // everybody knows that all is there
		d.node("new").Restore(kept)
		if d.left(t) == 0 {
			t.Fatal("every arc is closed")
		}
		time.Sleep(10 * time.Second)
		check.Equal(t, d.left(t), 0, "arcs that are left")
		d.wantAll(t)
		check.OK(t, check.Err(d.ring.Reweight(t.Context(), "new", 2, false)))
	})
}

// A node that hangs holds up the arcs that come from it, and no others for long: it is
// left alone for longer than it was waited for.
func TestANodeThatHangsHoldsUpItsOwnArcsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(t)
		d.before = func(ctx context.Context, node counting.NodeID, c chaos.Call) error {
			switch {
			case c.Method == "import":
				time.Sleep(10 * time.Millisecond) // so that the others need several rounds
			case c.Method == "claimarcs" && node == "n2":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		next := check.Value(d.cluster.View().Add(sharding.Change{}, sharding.Member{ID: "new", Addr: "new:1", Weight: 1}))(t)
		its := 0
		for _, m := range next.Moves() {
			if next.Members()[m.From].ID == "n2" {
				its++
			}
		}
		if took := d.drain(t, its); took > 40*time.Second {
			t.Errorf("the others took %v", took)
		}
		time.Sleep(time.Minute)
		if left := d.left(t); left != its {
			t.Errorf("%d arcs are left, want the %d of the node that hangs", left, its)
		}
		d.set(func() { d.before = nil })
		time.Sleep(time.Minute)
		check.Equal(t, d.left(t), 0, "arcs that are left")
		d.wantAll(t)
	})
}

// Connections that are cut now and then cost moves little: they go on at once.
func TestCutConnectionsCostMovesLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(t)
		d.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
			move := c.Method == "import" || c.Method == "confirm" && len(c.Arcs) > 0
			if move && rand.N(10) == 0 {
				return errors.New("connection reset by peer")
			}
			return nil
		}
		took := d.drain(t, 0)
		d.set(func() {
			if d.failed < 50 {
				t.Errorf("%d calls were cut", d.failed)
			}
		})
		if took > 10*time.Second {
			t.Errorf("that took %v", took)
		}
		d.wantAll(t)
	})
}
