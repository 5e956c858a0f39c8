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

func (o *backoff) fail(first, last time.Duration) {
	pause := last
	if o.failures < 16 {
		pause = min(last, first<<o.failures)
	}
	o.failures++
	o.until = time.Now().Add(pause/2 + rand.N(pause/2+1))
}

// backoffs are the backoffs of the moves of a table. An arc that backs off holds up no
// other arc; a node only the arcs that move from it or to it.
type backoffs struct {
	mu    sync.Mutex
	table counting.Epoch
	arcs  map[counting.Arc]*backoff
	nodes map[counting.NodeID]*backoff
}

// reset forgets the backoffs of other tables.
func (o *backoffs) reset(table counting.Epoch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.table != table || o.arcs == nil {
		o.table, o.arcs, o.nodes = table, make(map[counting.Arc]*backoff), make(map[counting.NodeID]*backoff)
	}
}

// keepOnly forgets all arcs but the incoming ones: other instances have moved them.
func (o *backoffs) keepOnly(incoming []counting.Arc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.arcs) == 0 {
		return
	}
	is := make(map[counting.Arc]bool, len(incoming))
	for _, arc := range incoming {
		is[arc] = true
	}
	maps.DeleteFunc(o.arcs, func(arc counting.Arc, _ *backoff) bool { return !is[arc] })
}

// wait is how long a node backs off.
func (o *backoffs) wait(node counting.NodeID) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.nodes[node]; n != nil {
		return time.Until(n.until)
	}
	return 0
}

// waitFor is how long a move backs off.
func (o *backoffs) waitFor(m *move) time.Duration {
	wait := max(o.wait(m.source.ID()), o.wait(m.destination.ID()))
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.arcs[m.arc]; a != nil {
		wait = max(wait, time.Until(a.until))
	}
	return wait
}

// nodeFailed notes that a node did not answer within the waited time. Concurrent calls
// count as one failure.
func (o *backoffs) nodeFailed(node counting.NodeID, waited time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.nodes[node]
	if n == nil {
		n = &backoff{}
		o.nodes[node] = n
	}
	if !time.Now().Before(n.until) {
		n.fail(nodeFirst, nodeLast)
		if least := time.Now().Add(pauseFactor * waited); n.until.Before(least) {
			n.until = least
		}
	}
}

// arcFailed notes why an arc was not moved. news: the arc became stuck, or for another
// reason.
func (o *backoffs) arcFailed(m *move, err error) (news bool) {
	reason, own := reasonOf(err)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.table != m.table {
		return false
	}
	a := o.arcs[m.arc]
	if a == nil {
		a = &backoff{}
		o.arcs[m.arc] = a
	}
	a.fail(arcFirst, arcLast)
	if !own && a.failures < stuckAfter {
		return false
	}
	news = a.stuck.Reason != reason
	a.stuck = sharding.StuckArc{
		Arc: m.arc, From: m.source.ID(), To: m.destination.ID(), At: m.at.ID(), Reason: reason, Why: err.Error(),
	}
	return news
}

// retry ends all backoffs.
func (o *backoffs) retry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.arcs {
		a.until = time.Time{}
	}
	clear(o.nodes)
}

// moved forgets the backoffs of an arc that was moved, and of its nodes.
func (o *backoffs) moved(m *move) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.arcs, m.arc)
	delete(o.nodes, m.source.ID())
	delete(o.nodes, m.destination.ID())
}

// stuck are the stuck arcs of a table, in ascending order.
func (o *backoffs) stuck(table counting.Epoch) []sharding.StuckArc {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.table != table {
		return nil
	}
	var all []sharding.StuckArc
	for _, a := range o.arcs {
		if a.stuck.Reason != "" {
			all = append(all, a.stuck)
		}
	}
	slices.SortFunc(all, func(a, b sharding.StuckArc) int { return cmp.Compare(a.Arc, b.Arc) })
	return all
}

// reasonOf is the sharding.StuckArc.Reason of an error. own: the arc is to blame, not
// the node.
func reasonOf(err error) (reason string, own bool) {
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
