package httpcallback

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"footfall/domain/publishing"
)

// Rate is how many connections one address gets: Requests in every Per, however
// they are spread. The zero value is no limit.
type Rate struct {
	Requests int
	Per      time.Duration
}

// busyPause is when an address is tried again whose connections are all in use.
const busyPause = 200 * time.Millisecond

// maxAddresses bounds the addresses that are counted. Beyond it, a new one waits
// until others have been idle for as long as the rate looks back.
const maxAddresses = 1 << 16

// addresses bounds the connections to each address, of IPv6 to each network of 64
// bits: how many begin in any period of the rate, and how many are open. An address
// is forgotten when it has none of both, so that no address gets more. It is safe
// for concurrent use.
type addresses struct {
	rate Rate

	mu    sync.Mutex
	known map[netip.Prefix]*address
	swept time.Time
}

type address struct {
	open  int
	begun []time.Time // in the last period of the rate, oldest first
}

func newAddresses(r Rate) *addresses {
	return &addresses{rate: r, known: make(map[netip.Prefix]*address)}
}

// acquire begins a connection, which release ends. Otherwise it returns when to try
// again.
func (as *addresses) acquire(group netip.Prefix, now time.Time) (again time.Time, ok bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if now.Sub(as.swept) >= time.Second {
		as.sweep(now)
	}
	a := as.known[group]
	if a == nil {
		if len(as.known) >= maxAddresses {
			return now.Add(max(as.rate.Per, busyPause)), false
		}
		a = &address{}
		as.known[group] = a
	}
	as.expire(a, now)
	if as.rate.Requests > 0 && len(a.begun) >= as.rate.Requests {
		return a.begun[0].Add(as.rate.Per), false
	}
	if a.open >= publishing.MaxPerAddress {
		return now.Add(busyPause), false
	}
	a.open++
	if as.rate.Requests > 0 {
		a.begun = append(a.begun, now)
	}
	return time.Time{}, true
}

func (as *addresses) release(group netip.Prefix) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.known[group].open--
}

// expire forgets what began before the last period.
func (as *addresses) expire(a *address, now time.Time) {
	old := 0
	for old < len(a.begun) && now.Sub(a.begun[old]) >= as.rate.Per {
		old++
	}
	a.begun = slices.Delete(a.begun, 0, old)
}

// sweep forgets idle addresses. It runs once a second at most.
func (as *addresses) sweep(now time.Time) {
	for group, a := range as.known {
		as.expire(a, now)
		if a.open == 0 && len(a.begun) == 0 {
			delete(as.known, group)
		}
	}
	as.swept = now
}
