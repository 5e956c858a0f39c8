package limits

import (
	"net/netip"
	"sync"
	"time"

	"footfall/adapters/httpapi/problem"
)

// Costs are what a request with an idempotency key takes: keys of requests, and records.
type Costs struct{ Requests, Records int64 }

// maxIDs is how many requests of each of two generations a Quota remembers.
const maxIDs = 32768

// KeyQuota bounds what one client takes of the idempotency keys, which are free again at
// the end of the next day (UTC). A nil one has no bound. The fields do not change after the
// first call. It is safe for concurrent use.
type KeyQuota struct {
	// Share is what one client may have; a bound of 0 is none.
	Share func() Costs
	// Refused notes what is refused. It may be nil.
	Refused *Refusals

	mu  sync.Mutex
	day int64 // of taken[0]; taken[1] is that of the day before
	// Of more than maxClients on a day, all others are one client.
	taken [2]map[netip.Prefix]Costs
	// seen are requests that were counted: one that is repeated costs nothing.
	seen [2]map[[16]byte]bool
}

const dayTime = 24 * time.Hour

// Take counts a request of a client with an id and its costs. It returns the day on which it
// counted them, or 0 where it counted nothing. Back must follow with that day if the store
// does not keep the key. The error is the fault client_limit.
func (q *KeyQuota) Take(client netip.Prefix, id [16]byte, costs Costs) (day int64, err error) {
	if q == nil {
		return 0, nil
	}
	share, now := q.Share(), time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn(now)
	if q.seen[0][id] || q.seen[1][id] {
		return 0, nil
	}
	client = q.counted(client)
	today, before := q.taken[0][client], q.taken[1][client]
	over := func(bound, today, before, cost int64) bool {
		return bound > 0 && today+before > 0 && today+before+cost > bound
	}
	if over(share.Requests, today.Requests, before.Requests, costs.Requests) || over(share.Records, today.Records, before.Records, costs.Records) {
		q.Refused.Note("keys", BoundClient, client)
		free := time.Unix(0, 0).Add(time.Duration(q.day+2) * dayTime)
		if before.Requests > 0 {
			free = free.Add(-dayTime)
		}
		return 0, problem.ClientLimit("This client has as many idempotency keys as it may have; this request changed nothing.", 1).Until(free.Sub(now))
	}
	q.taken[0][client] = Costs{today.Requests + costs.Requests, today.Records + costs.Records}
	if q.seen[0][id] = true; len(q.seen[0]) >= maxIDs {
		q.seen = [2]map[[16]byte]bool{{}, q.seen[0]}
	}
	return q.day, nil
}

// Back undoes a Take of a day.
func (q *KeyQuota) Back(day int64, client netip.Prefix, id [16]byte, costs Costs) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.seen[0], id)
	delete(q.seen[1], id)
	ago := q.day - day
	if ago < 0 || ago > 1 {
		return // its keys are free anyway
	}
	of := q.taken[ago]
	if _, ok := of[client]; !ok {
		client = netip.Prefix{} // see counted
	}
	had := of[client]
	if had = (Costs{had.Requests - costs.Requests, had.Records - costs.Records}); had.Requests <= 0 {
		delete(of, client)
		return
	}
	of[client] = had
}

// turn begins a day. The caller holds the mutex.
func (q *KeyQuota) turn(now time.Time) {
	day := now.Unix() / int64(dayTime/time.Second)
	switch {
	case q.taken[0] != nil && day <= q.day:
		return
	case day == q.day+1:
		q.taken[1] = q.taken[0]
	default:
		q.taken[1] = nil
	}
	q.day, q.taken[0] = day, make(map[netip.Prefix]Costs)
	if q.seen[0] == nil {
		q.seen[0] = make(map[[16]byte]bool)
	}
}

// counted is the client under which one is counted. The caller holds the mutex.
func (q *KeyQuota) counted(client netip.Prefix) netip.Prefix {
	if _, ok := q.taken[0][client]; ok || len(q.taken[0]) < maxClients {
		return client
	}
	return netip.Prefix{}
}
