package resharding

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// workers move arcs at once; each of them rests as long as it works, so
	// that nodes have time for their callers.
	workers = 4
	// round is how many arcs are moved before the nodes are asked again what
	// is left, since other instances move arcs too.
	round = 512
	// failures in a row after which movers rest for a while.
	failures = 5
)

// moveAll moves the arcs that are still coming by a view, until none is left,
// or the view is over, or nothing can be moved now.
func (s *Service) moveAll(v *cluster.View) {
	for s.ctx.Err() == nil && s.Cluster.View().Epoch() == v.Epoch() {
		arcs := s.left(v)
		if len(arcs) == 0 || !s.moveSome(v, arcs) {
			return
		}
	}
}

// left are some of the arcs that are to be moved, in an order of its own, so
// that instances seldom meet.
func (s *Service) left(v *cluster.View) []counting.Arc {
	var mu sync.Mutex
	var arcs []counting.Arc
	_ = v.Each(s.ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !v.Coming(i) {
			return nil
		}
		coming, err := m.ComingArcs(ctx, v.Table())
		mu.Lock()
		defer mu.Unlock()
		arcs = append(arcs, coming...)
		return err // an arc of a node that is away waits
	})
	s.keepPace(v.Table(), len(arcs))
	stuck := s.stuckArcs(v.Table())
	arcs = slices.DeleteFunc(arcs, func(arc counting.Arc) bool { return stuck[arc] != "" && rand.N(10) > 0 })
	rand.Shuffle(len(arcs), func(i, j int) { arcs[i], arcs[j] = arcs[j], arcs[i] })
	return arcs[:min(len(arcs), round)]
}

// moveSome moves arcs, and tells whether it is worth going on.
func (s *Service) moveSome(v *cluster.View, arcs []counting.Arc) bool {
	next := make(chan counting.Arc)
	results := make(chan error)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for arc := range next {
				begin := time.Now()
				err := s.moveArc(v, arc)
				results <- err
				rest(s.ctx, time.Since(begin))
			}
		})
	}
	inARow, moved := 0, false
	note := func(err error) {
		if err != nil {
			inARow++
			return
		}
		inARow, moved = 0, true
	}
	for _, arc := range arcs {
		for sent := false; !sent; {
			select {
			case next <- arc:
				sent = true
			case err := <-results:
				note(err)
			}
		}
		if inARow >= failures || s.ctx.Err() != nil || s.Cluster.View().Epoch() != v.Epoch() {
			break
		}
	}
	close(next)
	go func() { working.Wait(); close(results) }()
	for err := range results {
		note(err)
	}
	return moved && inARow < failures
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(min(d, time.Second)):
	case <-ctx.Done():
	}
}

// moveArc takes an arc from its source to its owner. Every step can be
// repeated, and others may be at the same arc.
func (s *Service) moveArc(v *cluster.View, arc counting.Arc) error {
	m := move{ctx: s.ctx, table: v.Table(), arc: arc, source: v.Nodes[v.From(arc)], destination: v.Nodes[v.Owner(arc)]}
	pages, err := m.run()
	switch {
	case err == nil:
		s.arcs.Add(1)
		s.pages.Add(int64(pages))
		s.setStuck(v.Table(), arc, "")
		v.Arrived(arc)
	case errors.Is(err, errRefused), errors.Is(err, counting.ErrUnfinished):
		if s.setStuck(v.Table(), arc, err.Error()) {
			s.Log.Error("an arc can't be moved", "arc", arc, "error", err)
		}
	}
	return err
}

var errRefused = errors.New("pages can't be added")

// move is one arc on its way.
type move struct {
	ctx                 context.Context
	table               counting.Epoch
	arc                 counting.Arc
	source, destination *cluster.Member
}

// run moves the arc and returns how many pages that were.
func (m *move) run() (int, error) {
	var r counting.Residue
	err := m.call(func(ctx context.Context) (err error) {
		r, err = m.source.ClaimArc(ctx, m.table, m.arc)
		return err
	})
	if err != nil {
		return 0, err
	}
	if r.Stage == counting.Frozen {
		closed, err := m.copyKeys()
		if err != nil || closed {
			return 0, err
		}
		marked, closed, err := m.copy()
		if err != nil || closed {
			return 0, err
		}
		// The number is that of the marks at the destination: it has to be
		// that of the pages, or the residue stays.
		err = m.call(func(ctx context.Context) error { return m.source.RetireArc(ctx, m.table, m.arc, marked) })
		if err != nil {
			return 0, err
		}
	}
	return r.Pages, m.call(func(ctx context.Context) error { return m.destination.CloseArc(ctx, m.table, m.arc, r.Pages) })
}

// copyKeys brings the idempotency keys of the arc to the destination. They need
// no marks: to keep one again changes nothing. closed: another mover was first.
func (m *move) copyKeys() (closed bool, err error) {
	for cursor, more := "", true; more; more = cursor != "" {
		var keys []counting.KeptKey
		err := m.call(func(ctx context.Context) (err error) {
			keys, cursor, err = m.source.FetchKeys(ctx, m.table, m.arc, cursor)
			return err
		})
		if err != nil {
			return false, err
		}
		for part := range slices.Chunk(keys, counting.MaxResidue) {
			err := m.call(func(ctx context.Context) (err error) {
				closed, err = m.destination.TakeKeys(ctx, m.table, m.arc, part)
				return err
			})
			if err != nil || closed {
				return closed, err
			}
		}
	}
	return false, nil
}

// copy brings the residue to the destination, and returns the number of pages
// that are marked there. closed: another mover was first.
func (m *move) copy() (marked int, closed bool, err error) {
	refused := 0
	for cursor, more := "", true; more; more = cursor != "" {
		var pages []counting.Visit
		err := m.call(func(ctx context.Context) (err error) {
			pages, cursor, err = m.source.FetchResidue(ctx, m.table, m.arc, cursor)
			return err
		})
		if err != nil {
			return 0, false, err
		}
		for part := range slices.Chunk(pages, counting.MaxResidue) {
			var in counting.Intake
			err := m.call(func(ctx context.Context) (err error) {
				in, err = m.destination.TakeIn(ctx, m.table, m.arc, part)
				return err
			})
			if err != nil || in.Closed {
				return 0, in.Closed, err
			}
			marked = in.Pages
			refused += len(in.Refused)
		}
	}
	if refused > 0 {
		return 0, false, fmt.Errorf("%w: %d of arc %d on %s", errRefused, refused, m.arc, m.destination.ID())
	}
	return marked, false, nil
}

func (m *move) call(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(m.ctx, cluster.CallTimeout)
	defer cancel()
	return do(ctx)
}
