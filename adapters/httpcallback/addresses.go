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
// bits: how many begin in any period of the rate, and how many are open. Of both, one is
// reserved for each endpoint that has accepted an earlier report there, half of all at
// most. An address is forgotten when it has none of both, so that no address gets more.
// It is safe for concurrent use.
type addresses struct {
	rate Rate

	mu       sync.Mutex
	known    map[netip.Prefix]*address
	swept    time.Time
	accepted accepted
}

type address struct {
	open, others int           // others: of open, those of endpoints that are not known
	begun        []*connection // in the last period of the rate, oldest first
}

// connection is one to an address. known: its endpoint has accepted an earlier report there.
type connection struct {
	group netip.Prefix
	known bool
	begun time.Time
}

// deferral is when to try again. All attempts with the same limit have one name.
type deferral struct {
	until time.Time
	limit string
}

func newAddresses(r Rate) *addresses {
	return &addresses{rate: r, known: make(map[netip.Prefix]*address)}
}

// acquire begins a connection, which release ends. Otherwise it returns nil, and when to
// try again.
func (as *addresses) acquire(to target, now time.Time) (*connection, deferral) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if now.Sub(as.swept) >= time.Second {
		as.sweep(now)
	}
	c := &connection{group: to.group, known: as.accepted.isKnown(to), begun: now}
	limit := to.group.String()
	if !c.known {
		limit += " of others" // known endpoints do not wait with them
	}
	a := as.known[to.group]
	if a == nil {
		if len(as.known) >= maxAddresses {
			return nil, deferral{now.Add(max(as.rate.Per, busyPause)), limit}
		}
		a = &address{}
		as.known[to.group] = a
	}
	as.expire(a, now)
	if until := as.until(a, c, to); until.After(now) {
		return nil, deferral{until, limit}
	}
	a.open++
	if !c.known {
		a.others++
	}
	if as.rate.Requests > 0 {
		a.begun = append(a.begun, c)
	}
	return c, deferral{}
}

// until is when a connection to an address may begin, not later than now if it may.
func (as *addresses) until(a *address, c *connection, to target) time.Time {
	limit := as.rate.Requests
	if limit > 0 && len(a.begun) >= limit {
		return a.begun[0].begun.Add(as.rate.Per)
	}
	if a.open >= publishing.MaxPerAddress {
		return c.begun.Add(busyPause)
	}
	reserved := 0
	if !c.known {
		reserved = as.accepted.known(to, max(limit, publishing.MaxPerAddress)/2)
	}
	if reserved == 0 {
		return time.Time{}
	}
	others := 0
	var oldest time.Time
	for _, b := range a.begun {
		if b.known {
			continue
		}
		if others++; others == 1 {
			oldest = b.begun
		}
	}
	if limit > 0 && others > 0 && others >= limit-min(limit/2, reserved) {
		return oldest.Add(as.rate.Per)
	}
	if a.others >= publishing.MaxPerAddress-min(publishing.MaxPerAddress/2, reserved) {
		return c.begun.Add(busyPause)
	}
	return time.Time{}
}

func (as *addresses) release(c *connection) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.known[c.group].open--
	if !c.known {
		as.known[c.group].others--
	}
}

// accept notes that an endpoint has accepted its report.
func (as *addresses) accept(t target) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.accepted.note(t)
}

// expire forgets what began before the last period.
func (as *addresses) expire(a *address, now time.Time) {
	old := 0
	for old < len(a.begun) && now.Sub(a.begun[old].begun) >= as.rate.Per {
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
