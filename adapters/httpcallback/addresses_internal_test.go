package httpcallback

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"footfall/domain/publishing"
)

// S9: 100,000 endpoints that lead to one address cost it at most 60 requests in any
// minute, over windows, however they are spread.
func TestS9AHundredThousandEndpointsCostOneAddressSixtyAMinute(t *testing.T) {
	as := newAddresses(Rate{60, time.Minute})
	now := time.Unix(1000, 0)
	group := publishing.NetworkOf(netip.MustParseAddr("::ffff:192.0.2.1"))
	if group != publishing.NetworkOf(netip.MustParseAddr("192.0.2.1")) {
		t.Error("an address has two groups")
	}
	var begun []time.Time
	for range 100_000 {
		now = now.Add(7 * time.Millisecond) // 700 s in all
		if c, again := as.acquire(target{group: group}, now); c != nil {
			begun = append(begun, now)
			as.release(c)
		} else if !again.until.After(now) {
			t.Fatalf("refused at %v until %v", now, again.until)
		}
	}
	for i := 60; i < len(begun); i++ {
		if begun[i].Sub(begun[i-60]) < time.Minute {
			t.Fatalf("61 connections in %v", begun[i].Sub(begun[i-60]))
		}
	}
	if n := len(begun); n < 11*60 || n > 12*60 {
		t.Errorf("%d connections in 700 s, want what the rate gives", n)
	}
}

// S9: of IPv6 a network of 64 bits is one address, and another one is another.
func TestS9ANetworkOfIPv6IsOneAddress(t *testing.T) {
	as := newAddresses(Rate{60, time.Minute})
	now := time.Unix(1000, 0)
	count := func(format string) (n int) {
		for i := range 1000 {
			group := publishing.NetworkOf(netip.MustParseAddr(fmt.Sprintf(format, i)))
			if c, _ := as.acquire(target{group: group}, now); c != nil {
				as.release(c)
				n++
			}
		}
		return n
	}
	if n := count("2001:db8::%x"); n != 60 {
		t.Errorf("a network of IPv6 has %d connections, want 60", n)
	}
	if n := count("2001:db8:0:%x::1"); n != 999 { // all but the one above
		t.Errorf("%d other networks have one", n)
	}
}

// S9, P9: addresses that are idle are forgotten, and no address is forgotten early.
func TestS9AddressesThatAreRememberedAreBounded(t *testing.T) {
	as := newAddresses(Rate{1, time.Minute})
	now := time.Unix(1000, 0)
	at := func(i int) target {
		return target{group: publishing.NetworkOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))}
	}
	if c, _ := as.acquire(at(0), now); c == nil {
		t.Fatal("the first one is refused")
	}
	for i := 1; i < 2*maxAddresses; i++ {
		if c, _ := as.acquire(at(i), now); (c != nil) != (i < maxAddresses) {
			t.Fatalf("address %d: admitted is %v", i, c != nil)
		} else if c != nil {
			as.release(c)
		}
	}
	now = now.Add(time.Minute)
	if c, _ := as.acquire(at(1), now); c == nil {
		t.Error("an address is refused when the others are idle")
	}
	if n := len(as.known); n != 2 {
		t.Errorf("%d addresses are remembered, want the two in use", n)
	}
}
