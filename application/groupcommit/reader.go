package groupcommit

import (
	"context"
	"sync"
	"time"

	"footfall/domain/counting"
)

// Reader merges the reads of many callers into calls, as a Committer does for writes:
// while one call is in flight, the next one fills. A result is never older than the call
// of Read. The methods are safe for concurrent use.
type Reader struct {
	node counting.Counts

	mu      sync.Mutex
	waiting []*reading // not sent yet, oldest first; the last one fills
	queued  int        // callers in waiting
	enough  int        // number of queued callers for which the goroutine waits
	flying  bool       // a goroutine sends waiting readings

	wake chan struct{} // capacity 1: enough callers are queued
	pace pace          // used by the goroutine only
}

// reading is one call of the node with its waiting callers.
type reading struct {
	epoch counting.Epoch
	pages []counting.Located
	timer *time.Timer

	done     chan struct{} // closed when tallies and err are final
	answered bool          // guarded by the reader's mutex
	tallies  []counting.Tally
	err      error
}

// NewReader makes a reader of a node. It need not be stopped: its goroutine ends with the
// last call, which has a deadline.
func NewReader(node counting.Counts) *Reader {
	return &Reader{node: node, wake: make(chan struct{}, 1)}
}

// Read returns the tally of one page. Errors are those of counting.Counts.Read, and
// counting.ErrUnavailable after Deadline, or if too many callers wait.
func (r *Reader) Read(epoch counting.Epoch, page counting.Located) (counting.Tally, error) {
	g, i := r.join(epoch, page)
	if g == nil {
		return counting.Tally{}, counting.ErrUnavailable
	}
	<-g.done
	if g.err != nil {
		return counting.Tally{}, g.err
	}
	return g.tallies[i], nil
}

// join adds a page to the filling reading; nil if too many callers wait.
func (r *Reader) join(epoch counting.Epoch, page counting.Located) (*reading, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queued >= MaxQueued {
		return nil, 0
	}
	r.queued++
	var g *reading
	if n := len(r.waiting); n > 0 && r.waiting[n-1].epoch == epoch && len(r.waiting[n-1].pages) < MaxBatch {
		g = r.waiting[n-1]
	} else {
		g = &reading{epoch: epoch, done: make(chan struct{})}
		g.timer = time.AfterFunc(Deadline, func() { r.answer(g, nil, counting.ErrUnavailable) })
		r.waiting = append(r.waiting, g)
		if !r.flying {
			r.flying = true
			go r.fly()
		}
	}
	if r.queued == r.enough {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	g.pages = append(g.pages, page)
	return g, len(g.pages) - 1
}

// fly sends readings until none waits.
func (r *Reader) fly() {
	for {
		r.pace.waitForBatch(r.await, r.wake)
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.flying = false
			r.mu.Unlock()
			return
		}
		g := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.queued -= len(g.pages)
		over := g.answered
		r.mu.Unlock()
		if over {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
		begin := time.Now()
		tallies, err := r.node.Read(ctx, g.epoch, g.pages)
		cancel()
		r.pace.flushed(len(g.pages), time.Since(begin))
		r.answer(g, tallies, err)
	}
}

// await is for pace.waitForBatch.
func (r *Reader) await(enough int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queued == 0 {
		return MaxBatch
	}
	r.enough = enough
	return r.queued
}

// answer releases the callers; only the first answer counts.
func (r *Reader) answer(g *reading, tallies []counting.Tally, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.answered {
		return
	}
	g.answered = true
	g.tallies, g.err = tallies, err
	g.timer.Stop()
	close(g.done)
}
