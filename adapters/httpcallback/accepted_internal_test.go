package httpcallback

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/check"
)

// at is an endpoint at one address, for the report of a window.
func at(endpoint string, window int) target {
	return target{publishing.NetworkOf(netip.MustParseAddr("192.0.2.1")), publishing.Endpoint(endpoint), fmt.Sprint("window ", window)}
}

// makes makes attempts at n other names, and returns how many begin. They may accept.
func makes(as *addresses, n, window int, now time.Time, accept bool) (begun int) {
	for i := range n {
		to := at(fmt.Sprintf("http://other-%d-%d/", window, i), window)
		c, _ := as.acquire(to, now)
		if c == nil {
			continue
		}
		begun++
		as.release(c)
		if accept {
			as.accept(to)
		}
	}
	return begun
}

// S9, P7: 1,000 other names of an address, in each window, do not use up what an endpoint
// needs that has accepted a report before, also if they accept what they get.
func TestS9AnEndpointThatAcceptedBeforeIsCalledBesideOtherNames(t *testing.T) {
	for _, accept := range []bool{false, true} {
		as := newAddresses(Rate{60, time.Minute})
		as.accept(at("http://honest/", 0))
		now := time.Unix(1000, 0)
		for window := 1; window < 10; window++ {
			others := makes(as, 1000, window, now, accept)
			want := 59
			if accept && window > 1 { // those of earlier windows have half of the rate
				want = 30
			}
			check.Equal(t, others, want, "others that are called in window %d", window)
			c, again := as.acquire(at("http://honest/", window), now)
			if c == nil {
				t.Fatalf("window %d: deferred until %v", window, again.until)
			}
			as.release(c)
			if sum := len(as.known[c.group].begun); sum > 60 {
				t.Errorf("window %d: %d calls in a minute", window, sum)
			}
			now = now.Add(time.Minute)
		}
	}
}

// S9: half of the rate is for other names, however many endpoints have accepted a report.
func TestS9HalfOfTheRateIsForOtherNames(t *testing.T) {
	as := newAddresses(Rate{60, time.Minute})
	for i := range 100 {
		as.accept(at(fmt.Sprint("http://honest/", i), 0))
	}
	now := time.Unix(1000, 0)
	check.Equal(t, makes(as, 100, 1, now, false), 30, "others that are called")
	honest, shared := 0, make(map[string]bool)
	for i := range 100 {
		c, again := as.acquire(at(fmt.Sprint("http://honest/", i), 1), now)
		if c != nil {
			honest++
			as.release(c)
		} else {
			shared[again.limit] = true
		}
	}
	check.Equal(t, honest, 30, "endpoints that have accepted before, and are called")
	_, again := as.acquire(at("http://other/", 1), now)
	if len(shared) != 1 || shared[again.limit] {
		t.Errorf("known endpoints wait for %v, and others for %s", shared, again.limit)
	}
}

// S9, P7: slow answers of other names leave connections for endpoints that have accepted before.
func TestS9OtherNamesDoNotHoldAllConnections(t *testing.T) {
	as := newAddresses(Rate{})
	now := time.Unix(1000, 0)
	as.accept(at("http://honest/", 0))
	held := 0
	for i := range 20 {
		if c, again := as.acquire(at(fmt.Sprint("http://other/", i), 1), now); c != nil {
			held++
		} else {
			check.Equal(t, again.until, now.Add(busyPause), "the next attempt of another name")
		}
	}
	check.Equal(t, held, publishing.MaxPerAddress-1, "connections of others")
	c, _ := as.acquire(at("http://honest/", 1), now)
	if c == nil {
		t.Fatal("no connection is left")
	}
	if c, _ := as.acquire(at("http://honest/", 1), now); c != nil {
		t.Error("there are nine connections")
	}
}

// S9, P9: what is remembered as accepted is bounded, and what is used is not forgotten.
func TestS9EndpointsThatAreRememberedAreBounded(t *testing.T) {
	var m accepted
	honest := func(window int) target {
		to := at("http://honest/", window)
		to.group = publishing.NetworkOf(netip.MustParseAddr("192.0.2.2"))
		return to
	}
	m.note(honest(0))
	for i := range 3 * maxAccepted {
		m.note(at(fmt.Sprint("http://other/", i), 0))
		if i%1000 == 0 && !m.isKnown(honest(1)) {
			t.Fatalf("after %d others it is forgotten", i)
		}
	}
	if n := m.known(at("", 1), 1<<20); n > maxAccepted || n < maxAccepted/2 {
		t.Errorf("%d endpoints are remembered", n)
	}
	check.Equal(t, m.isKnown(at("http://other/0", 1)), false, "whether the first of the others is remembered")
	check.Equal(t, m.isKnown(honest(0)), false, "whether an endpoint is known by the report that it has accepted first")
	check.Equal(t, m.known(honest(1), 10), 1, "endpoints of the other address")
}
