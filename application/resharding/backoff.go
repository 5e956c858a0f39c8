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

// How long something that failed is left alone: first, then twice that, up to
// most; a part of it is chance, so that not all come back at once.
const (
	arcFirst, arcMost   = 100 * time.Millisecond, 30 * time.Second
	nodeFirst, nodeMost = 20 * time.Millisecond, 2 * time.Second
)

// stuckAfter is how many failures in a row make an arc one that can't be moved.
const stuckAfter = 3

// spared is how many times as long as others have waited for a node in vain it is
// left alone at least, since those that are asked beside it wait as well.
const spared = 5

// obstacle is an arc, or a node, that failed the last times.
type backoff struct {
	failures int
	until    time.Time // it is left alone
	stuck    sharding.StuckArc
}

func (o *backoff) fail(first, most time.Duration) {
	pause := most
	if o.failures < 16 {
		pause = min(most, first<<o.failures)
	}
	o.failures++
	o.until = time.Now().Add(pause/2 + rand.N(pause/2+1))
}

// backoffs are what stands in the way of the moves of a table. One that is
// left alone holds up nothing else: an arc no other arc, a node only the arcs
// that come from it or go to it.
type backoffs struct {
	mu    sync.Mutex
	table counting.Epoch
	arcs  map[counting.Arc]*backoff
	nodes map[counting.NodeID]*backoff
}

// of forgets those of other tables.
func (o *backoffs) of(table counting.Epoch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.table != table || o.arcs == nil {
		o.table, o.arcs, o.nodes = table, make(map[counting.Arc]*backoff), make(map[counting.NodeID]*backoff)
	}
}

// keepOnly forgets what stood in the way of all arcs but some: others have moved
// them.
func (o *backoffs) keepOnly(coming []counting.Arc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.arcs) == 0 {
		return
	}
	is := make(map[counting.Arc]bool, len(coming))
	for _, arc := range coming {
		is[arc] = true
	}
	maps.DeleteFunc(o.arcs, func(arc counting.Arc, _ *backoff) bool { return !is[arc] })
}

// wait is how long a node is to be left alone.
func (o *backoffs) wait(node counting.NodeID) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.nodes[node]; n != nil {
		return time.Until(n.until)
	}
	return 0
}

// waitFor is how long a move is to be left alone.
func (o *backoffs) waitFor(m *move) time.Duration {
	wait := max(o.wait(m.source.ID()), o.wait(m.destination.ID()))
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.arcs[m.arc]; a != nil {
		wait = max(wait, time.Until(a.until))
	}
	return wait
}

// nodeFailed notes that a node did not answer, and how long that was waited for,
// once for those that asked it at the same time.
func (o *backoffs) nodeFailed(node counting.NodeID, waited time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.nodes[node]
	if n == nil {
		n = &backoff{}
		o.nodes[node] = n
	}
	if !time.Now().Before(n.until) {
		n.fail(nodeFirst, nodeMost)
		if least := time.Now().Add(spared * waited); n.until.Before(least) {
			n.until = least
		}
	}
}

// arcFailed notes why an arc was not moved, and tells whether it is stuck and
// that is news.
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
	a.fail(arcFirst, arcMost)
	if !own && a.failures < stuckAfter {
		return false
	}
	news = a.stuck.Reason != reason
	a.stuck = sharding.StuckArc{
		Arc: m.arc, From: m.source.ID(), To: m.destination.ID(), At: m.at.ID(), Reason: reason, Why: err.Error(),
	}
	return news
}

// retry lets everything be tried again at once.
func (o *backoffs) retry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.arcs {
		a.until = time.Time{}
	}
	clear(o.nodes)
}

// moved notes that an arc is there.
func (o *backoffs) moved(m *move) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.arcs, m.arc)
	delete(o.nodes, m.source.ID())
	delete(o.nodes, m.destination.ID())
}

// stuck are the arcs of a table that can't be moved, in ascending order.
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

// reasonOf puts an error into a word. own: the node answers, and it is this
// arc that it can't do anything with.
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
