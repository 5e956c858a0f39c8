package groupcommit

import (
	"context"
	"time"

	"footfall/domain/counting"
)

// Reader merges the reads of many callers into calls, as a Committer does for writes:
// while one call is in flight, the next one fills. A result is never older than the call
// of Read. The methods are safe for concurrent use.
type Reader struct {
	of *Committer
	queue[*reading]
	running bool // a goroutine sends waiting readings; guarded by the mutex
}

// reading is one call of Counts.Read with its waiting callers. tallies is valid when done
// is closed and err is nil.
type reading struct {
	call
	epoch   counting.Epoch
	pages   []counting.Located
	tallies []counting.Tally
}

func (g *reading) fits(epoch counting.Epoch) bool {
	return g.epoch == epoch && len(g.pages) < MaxBatch
}

// NewReader makes a reader of the node of a committer. It need not be stopped: its goroutine
// ends with the last call, which has a deadline. Callers whose pages can't be read for now
// are refused (Options.Refused).
func NewReader(of *Committer) *Reader {
	return &Reader{of: of, queue: queue[*reading]{wake: make(chan struct{}, 1), late: counting.ErrUnavailable, limit: MaxQueued, refused: of.opts.Refused}}
}

// Read returns the tally of one page. Errors are those of ReadFrom, and
// counting.ErrUnavailable after Deadline, or if too many callers wait.
func (r *Reader) Read(epoch counting.Epoch, page counting.Located) (counting.Tally, error) {
	g, i := r.add(epoch, page)
	if g == nil {
		return counting.Tally{}, counting.ErrUnavailable
	}
	<-g.done
	if g.err != nil {
		return counting.Tally{}, g.err
	}
	return g.tallies[i], nil
}

// add adds a page to a reading, and returns its index there; nil if too many callers wait.
func (r *Reader) add(epoch counting.Epoch, page counting.Located) (*reading, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.join(epoch, func() *reading { return &reading{epoch: epoch} })
	if g == nil {
		r.noteRefused(1)
		return nil, 0
	}
	if !r.running {
		r.running = true
		go r.run()
	}
	g.pages = append(g.pages, page)
	return g, len(g.pages) - 1
}

// run sends readings until none waits.
func (r *Reader) run() {
	for r.keepRunning() {
		g := r.take()
		if g == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
		begin := time.Now()
		tallies, err := ReadFrom(r.of, g.epoch, func(e counting.Expected) ([]counting.Tally, error) {
			return r.of.opts.Node.Read(ctx, e, g.pages)
		})
		cancel()
		r.noteCall(g.callers, time.Since(begin))
		g.tallies = tallies
		r.answer(g, err)
	}
}

func (r *Reader) keepRunning() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = len(r.waiting) > 0
	return r.running
}
