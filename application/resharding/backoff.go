package resharding

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// The pause after a failure doubles from the first value to the last. Up to half of it
// is random, so that retries spread.
const (
	arcFirst, arcLast   = 100 * time.Millisecond, 30 * time.Second
	nodeFirst, nodeLast = 20 * time.Millisecond, 2 * time.Second
)

// stuckAfter is the number of consecutive failures after which an arc is stuck.
const stuckAfter = 3

// pauseFactor makes the pause after a time-out of a node at least this many times as
// long as the time-out, since calls of other nodes wait as well.
const pauseFactor = 5

// backoff is the state of an arc, or a node, whose last calls failed.
type backoff struct {
	failures int
	until    time.Time // no retry before
	stuck    sharding.StuckArc
}

func (b *backoff) fail(first, last time.Duration) {
	pause := last
	if b.failures < 16 {
		pause = min(last, first<<b.failures)
	}
	b.failures++
	b.until = time.Now().Add(pause/2 + rand.N(pause/2+1))
}

// backoffs are the backoffs of the moves of a table. An arc that backs off holds up no
// other arc; a node only the arcs that move from it or to it.
type backoffs struct {
	mu    sync.Mutex
	table counting.Epoch
	arcs  map[counting.Arc]backoff
	nodes map[counting.NodeID]backoff
	// left arcs were left when this instance first asked for them, at since.
	left  int
	since time.Time
}

// reset forgets what is known of another table.
func (b *backoffs) reset(table counting.Epoch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table != table {
		b.table, b.arcs, b.nodes = table, make(map[counting.Arc]backoff), make(map[counting.NodeID]backoff)
		b.since = time.Time{}
	}
}

// found notes how many arcs are left, and those of them that nodes have returned. If all
// nodes were asked, it forgets all other arcs: other instances have moved them.
func (b *backoffs) found(left int, incoming []counting.Arc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.left, b.since = left, time.Now()
	}
	if len(incoming) < left { // some nodes were not asked
		return
	}
	slices.Sort(incoming)
	maps.DeleteFunc(b.arcs, func(arc counting.Arc, _ backoff) bool {
		_, is := slices.BinarySearch(incoming, arc)
		return !is
	})
}

// wait is how long a node backs off; not positive if it does not.
func (b *backoffs) wait(node counting.NodeID) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.nodes[node].until)
}

// waitFor is how long a move backs off; not positive if it does not.
func (b *backoffs) waitFor(m *move) time.Duration {
	nodes := max(b.wait(m.source.ID()), b.wait(m.destination.ID()))
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(nodes, time.Until(b.arcs[m.arc].until))
}

// nodeFailed notes that a node did not answer within the waited time. Concurrent calls
// count as one failure.
func (b *backoffs) nodeFailed(node counting.NodeID, waited time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.nodes[node]
	if time.Now().Before(n.until) {
		return
	}
	n.fail(nodeFirst, nodeLast)
	if least := time.Now().Add(pauseFactor * waited); n.until.Before(least) {
		n.until = least
	}
	b.nodes[node] = n
}

// arcFailed notes why an arc was not moved. news: the arc became stuck, or for another
// reason.
func (b *backoffs) arcFailed(m *move, err error) (news bool) {
	reason, arcAtFault := reasonOf(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.arcs[m.arc]
	a.fail(arcFirst, arcLast)
	if arcAtFault || a.failures >= stuckAfter {
		news = a.stuck.Reason != reason
		a.stuck = sharding.StuckArc{
			Arc: m.arc, From: m.source.ID(), To: m.destination.ID(), At: m.at.ID(), Reason: reason, Why: err.Error(),
		}
	}
	b.arcs[m.arc] = a
	return news
}

// retry ends all backoffs.
func (b *backoffs) retry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for arc, a := range b.arcs {
		a.until = time.Time{}
		b.arcs[arc] = a
	}
	clear(b.nodes)
}

// moved forgets the backoffs of an arc that was moved, and of its nodes.
func (b *backoffs) moved(m *move) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.arcs, m.arc)
	delete(b.nodes, m.source.ID())
	delete(b.nodes, m.destination.ID())
}

// stuck are the stuck arcs of a table, in ascending order.
func (b *backoffs) stuck(table counting.Epoch) []sharding.StuckArc {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table != table {
		return nil
	}
	var all []sharding.StuckArc
	for _, a := range b.arcs {
		if a.stuck.Reason != "" {
			all = append(all, a.stuck)
		}
	}
	slices.SortFunc(all, func(a, b sharding.StuckArc) int { return cmp.Compare(a.Arc, b.Arc) })
	return all
}

// rate is how many arcs per second were moved since this instance first asked, now that
// some are left; 0 if it is unknown.
func (b *backoffs) rate(table counting.Epoch, left int) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := time.Since(b.since).Seconds()
	if b.table != table || b.since.IsZero() || b.left <= left || took <= 0 {
		return 0
	}
	return float64(b.left-left) / took
}

// reasonOf is the sharding.StuckArc.Reason of an error. arcAtFault: the arc is to
// blame, not the node.
func reasonOf(err error) (reason string, arcAtFault bool) {
	switch {
	case errors.Is(err, errRefused):
		return "refused", true
	case errors.Is(err, counting.ErrUnfinished):
		return "unfinished", true
	case errors.Is(err, counting.Corrupt):
		return "corrupt", true
	}
	return "failed", false
}
