package resharding_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
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
