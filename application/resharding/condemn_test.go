package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// accept sends an id.
func (d *deployment) accept(t *testing.T, id counting.ID) error {
	t.Helper()
	return d.cluster.Send(t.Context(), func(ctx context.Context, v *cluster.View) error {
		return v.SendID(ctx, counting.IDEvent{ID: id}, time.Now())
	})
}

// until waits until the instance's view is as wanted.
func (d *deployment) until(t *testing.T, what string, ok func(*cluster.View) bool) {
	t.Helper()
	for range 600 {
		if ok(d.cluster.View()) {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("%s: not within ten minutes", what)
}

// condemned are three nodes of which n2 is away and condemned, since arcs can't arrive at
// n4, which was added. bringBack ends that n2 is away, and arrive that arcs can't arrive.
func condemned(t *testing.T, pages int) (d *deployment, old *cluster.View, bringBack, arrive func()) {
	t.Helper()
	var h faults
	d = newDeploymentOf(t, 3, h.around)
	d.count(t, pages)
	old = d.cluster.View()
	away, stuck := true, true
	h.set(func() {
		h.before = func(_ context.Context, _ counting.NodeID, c chaos.Call) error {
			if stuck && c.Method == "import" {
				return errors.New("connection reset")
			}
			return nil
		}
	})
	check.Value(d.ring.Add(t.Context(), "n4:1", 1, false))(t)
	check.OK(t, d.accept(t, 1))
	h.set(func() {
		before := h.before
		h.before = func(ctx context.Context, node counting.NodeID, c chaos.Call) error {
			if away && node == "n2" {
				return errors.New("connection refused")
			}
			return before(ctx, node, c)
		}
	})
	bringBack = func() { h.set(func() { away = false }) }
	t.Cleanup(bringBack) // the instance can't stop before
	plan, err := d.ring.Abandon(t.Context(), "n2")
	if err != nil || !slices.Equal(plan.Condemned, []counting.NodeID{"n2"}) || len(d.cluster.View().Losses()) > 0 {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	return d, old, bringBack, func() { h.set(func() { stuck = false }) }
}

// X8: a node that is to be abandoned while arcs of others move is condemned. No id is
// accepted until they have arrived, since its window could not be published. Then the node
// is abandoned, without another command, and ids are accepted again.
func TestX8NoIDIsAcceptedForAWindowThatAnAbandonedNodeWillLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages = 200
		d, old, _, arrive := condemned(t, pages)
		epoch := d.cluster.View().Epoch()
		for id := range counting.ID(100) {
			check.Is(t, d.accept(t, id), counting.ErrUnavailable, "an id beside a condemned node")
		}
		plan := check.Value(d.ring.Abandon(t.Context(), "n2"))(t)
		check.Equal(t, plan.Epoch, epoch, "the epoch after the command was repeated")
		time.Sleep(time.Minute)
		if v := d.cluster.View(); len(v.Losses()) > 0 || v.Epoch() != epoch || !d.ring.Status(t.Context()).Nodes[1].Condemned {
			t.Errorf("before the arcs have arrived, the ring is %+v", d.ring.Status(t.Context()))
		}
		arrive()
		d.until(t, "n2 is abandoned", func(v *cluster.View) bool { return len(v.Losses()) > 0 })
		if st := d.resolve(t); st.Nodes[1].State != sharding.Lost || st.Nodes[1].Condemned || len(d.cluster.View().Condemned()) > 0 {
			t.Errorf("status: %+v", st)
		}
		time.Sleep(3 * time.Minute) // until the new table is valid for ids
		for id := range counting.ID(100) {
			check.OK(t, d.accept(t, id))
		}
		for i := range pages {
			page := counting.Page(fmt.Sprint(i))
			want := int64(i + 1)
			if old.Members()[old.Owner(old.Arc(page))].ID == "n2" {
				want = 0
			}
			d.wantVisits(t, page, want)
		}
	})
}

// X8: a condemned node that answers again is not abandoned, also while arcs move.
func TestX8ACondemnedNodeThatAnswersAgainStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages = 200
		d, _, bringBack, arrive := condemned(t, pages)
		bringBack()
		arrive()
		d.until(t, "n2 is condemned no more", func(v *cluster.View) bool { return len(v.Condemned()) == 0 })
		check.OK(t, d.accept(t, 2))
		if st := d.resolve(t); len(st.Losses) > 0 || st.Nodes[1].State != sharding.Active {
			t.Errorf("status: %+v", st)
		}
		d.wantCounted(t, pages)
	})
}
