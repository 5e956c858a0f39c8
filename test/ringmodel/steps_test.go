package ringmodel_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// around is a call of the node, after which the server notes what it has done, and
// keeps what it promises to keep. Calls that do so are made one at a time.
func (s *server) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	switch c.Method {
	case "apply", "seal", "retire", "fence", "accept", "open", "claimarcs", "import", "confirm", "retirearc", "closearc", "importentries":
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	switch c.Method {
	case "apply":
		return s.apply(ctx, c.Batch, do)
	case "fence":
		return s.fence(ctx, do)
	case "open":
		return s.open(ctx, c.Ring, do)
	}
	v, err := do(ctx)
	switch c.Method {
	case "seal", "retire":
		if err == nil {
			s.sealed.Store(max(s.sealed.Load(), int64(c.Window)))
		}
		s.keep() // the model of windows has other faults
	case "accept":
		s.keep()
	case string(counting.ActionLose):
		if e, _ := v.(counting.Entry); err == nil && e.State == counting.Lost {
			s.world.noteMarked(c.Window)
		}
	case "findkeys":
		for _, f := range v.([]counting.KeyLookup) {
			if f.Stored {
				s.world.Counted.Add(keyAtSource)
			}
		}
	case "claimarcs", "import", "confirm", "retirearc", "closearc", "importentries":
		s.stepped(c, v, err)
	}
	return v, err
}

// stepped notes a step of a move, and keeps what it has done.
func (s *server) stepped(c chaos.Call, v any, err error) {
	if errors.Is(err, counting.ErrStale) {
		s.world.Counted.Add(lateStep)
	}
	switch c.Method {
	case "claimarcs":
		s.syncUnless(s.world.mutant.lazyClaims)
	case "confirm":
		s.syncUnless(len(c.Arcs) == 0 && s.world.mutant.lazyChanges)
	case "import":
		switch in, _ := v.(counting.ImportResult); {
		case in.Closed:
			s.world.Counted.Add(lateStep)
		case err == nil:
			if slices.ContainsFunc(c.Chunk.Histories, func(p counting.Packed) bool { return p != "" }) {
				s.world.Counted.Add(historyMoved)
			}
			if len(c.Chunk.Keys) > 0 {
				s.world.Counted.Add(keysMoved)
			}
			if s.world.plan.losses {
				s.world.noteImported(stint{s.ID(), c.Table}, c.Chunk.Pages, in.Refused)
			}
		}
	default:
		s.keep()
		switch {
		case err != nil:
		case c.Method == "retirearc":
			s.world.noteLeft(departure{stint{s.ID(), c.Table}, c.Arcs[0]})
		case len(c.Entries) > 0:
			s.world.Counted.Add(entriesTaken)
		}
	}
}

func (s *server) syncUnless(lazy bool) {
	if lazy {
		s.keep()
	} else {
		s.sync()
	}
}

// apply notes what is applied.
func (s *server) apply(ctx context.Context, b *counting.Batch, do func(context.Context) (any, error)) (any, error) {
	if s.gone.Load() {
		return nil, chaos.ErrCut
	}
	at := counting.WindowLength(windowLength).At(time.Now())
	s.world.sending(b)
	placed := s.placedAt(b)
	v, err := do(ctx)
	receipt, _ := v.(counting.Receipt)
	var gap *counting.GapError
	if errors.As(err, &gap) {
		s.world.Counted.Add(chaos.BatchGap)
	}
	if err != nil || receipt.Duplicate || s.world.plan.real {
		return v, err
	}
	refused := chaos.RefusedItems(receipt)
	s.world.note(b, refused, placed)
	if s.world.plan.losses {
		s.world.noteCame(s.stint(ctx), b, refused)
	}
	s.world.noteIDs(b, refused, max(at, counting.Window(s.sealed.Load())+1))
	return v, nil
}

func (s *server) fence(ctx context.Context, do func(context.Context) (any, error)) (any, error) {
	_, unknown := s.far.RingSummary(ctx)
	v, err := do(ctx)
	if errors.Is(unknown, counting.ErrUninitialized) {
		if err == nil {
			s.world.keepHistory(s.far)
		}
		s.sync() // a node that forgets that it was admitted may have to be abandoned
	} else {
		s.keep()
	}
	if errors.Is(err, sharding.ErrConflict) {
		s.world.Counted.Add(changesAtOnce)
	}
	return v, err
}

func (s *server) open(ctx context.Context, r *sharding.Ring, do func(context.Context) (any, error)) (any, error) {
	before := s.stint(ctx)
	v, err := do(ctx)
	s.keep()
	if err == nil {
		s.world.opened(r)
	}
	if err == nil && s.world.plan.losses && before.table < r.Table() {
		s.world.retained(before)
	}
	return v, err
}
