package uniques_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// client is one of many clients.
func client(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32)
}

// shared is a scenario with one instance, and a share of 250 endpoints.
func shared(t *testing.T, run func(t *testing.T, o *outside, i *instance)) {
	t.Helper()
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.share = 250
		run(t, o, d.run(t, "a", o))
	})
}

// S3: one client fills its share of the window and no more. Its ids count, other
// clients' endpoints are kept, and what was named before is free.
func TestS3OneClientHasAShareOfTheEndpoints(t *testing.T) {
	shared(t, func(t *testing.T, o *outside, i *instance) {
		kept := func(n int, from netip.Prefix, e string) bool {
			kept, err := i.Service.Accept(t.Context(), from, counting.ID(n), publishing.Endpoint(e))
			check.Must(t, err, "id %d", n)
			return kept
		}
		for n := range 2000 {
			check.Equal(t, kept(n, client(1), fmt.Sprintf("http://e%d/", n)), n < 250, "endpoint %d of the first client is kept", n)
		}
		for n := range 100 {
			check.Equal(t, kept(n, client(2), fmt.Sprintf("http://other%d/", n)), true, "endpoint %d of the second", n)
			check.Equal(t, kept(n, client(1), fmt.Sprintf("http://e%d/", n)), true, "endpoint %d again", n)
			check.Equal(t, kept(n, client(1), fmt.Sprintf("http://other%d/", n)), true, "endpoint %d, which another one named", n)
		}
		check.Equal(t, o.refusedBy["client"], 1750, "endpoints that were refused")
		until(minute + 30*time.Second)
		o.wantReports(t, "rabbitmq", 2000)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 350, Delivered: 350})
		check.Equal(t, kept(1, client(1), "http://new/"), true, "an endpoint in the next window")
	})
}

// S3: many clients together fill the share of one host, by name or by network.
func TestS3OneHostHasAShareOfTheEndpoints(t *testing.T) {
	shared(t, func(t *testing.T, o *outside, i *instance) {
		hosts := []string{"http://h.example:8080/%d", "http://[2001:db8::%x]/"}
		for _, host := range hosts {
			n := 0
			for id := range 400 {
				kept, err := i.Service.Accept(t.Context(), client(id%100), counting.ID(id), publishing.Endpoint(fmt.Sprintf(host, id)))
				check.Must(t, err)
				if kept {
					n++
				}
			}
			check.Equal(t, n, 250, "endpoints at %s", host)
		}
		check.Equal(t, o.refusedBy["host"], 300, "endpoints that were refused")
	})
}

// S3: an endpoint that the store refused takes no share.
func TestS3AnEndpointThatIsNotStoredTakesNoShare(t *testing.T) {
	shared(t, func(t *testing.T, _ *outside, i *instance) {
		i.fail(func(string, counting.Window) error { return errDead })
		for n := range 300 {
			check.Fails(t, check.Err(i.Service.Accept(t.Context(), client(1), counting.ID(n), publishing.Endpoint(fmt.Sprintf("http://e%d/", n)))), "id %d", n)
		}
		i.fail(func(string, counting.Window) error { return nil })
		until(30 * time.Second)
		kept, err := i.Service.Accept(t.Context(), client(1), 1, "http://late/")
		check.Must(t, err)
		check.Equal(t, kept, true, "an endpoint when the nodes are back")
	})
}
