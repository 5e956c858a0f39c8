package resharding_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
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
		check.Value(d.ring.Abandon(t.Context(), "n2"))(t)
		acknowledged := int64(0)
		for id := range counting.ID(60) {
			switch err := c.Accept(t.Context(), id, ""); {
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

// X8, P3: a condemned node is back with its data, but has not followed the ring yet that
// condemned it. It is not abandoned.
func TestX8ACondemnedNodeThatLagsIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h faults
		d := newDeploymentOf(t, 3, h.around)
		const pages = 100
		d.count(t, pages)
		h.set(func() {
			h.before = func(_ context.Context, node counting.NodeID, c chaos.Call) error {
				if node == "n2" && c.Method == "fence" {
					return errors.New("connection refused")
				}
				return nil
			}
		})
		follow := func() { h.set(func() { h.before = nil }) }
		t.Cleanup(follow) // the instance can't stop before
		v := d.cluster.View()
		next := check.Value(v.Condemn(sharding.Change{ID: "condemn"}, "n2"))(t)
		for _, n := range v.Present(v.Index("n2")) {
			check.Value(n.Fence(t.Context(), next))(t)
			check.Must(t, n.Accept(t.Context(), next))
			check.Must(t, n.Open(t.Context(), next))
		}
		time.Sleep(time.Minute)
		if now := d.cluster.View(); now.Epoch() != next.Epoch() || len(now.Losses()) > 0 {
			t.Fatalf("epoch %d, losses %v", now.Epoch(), now.Losses())
		}
		follow()
		time.Sleep(time.Minute)
		check.Equal(t, len(d.cluster.View().Condemned()), 0, "nodes that are condemned in the end")
		d.wantCounted(t, pages)
	})
}
