package ringmodel_test

import (
	"context"
	"errors"

	"footfall/domain/counting"
)

func (s *server) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.Node.ClaimArcs(ctx, table, arcs)
	s.synced(err, s.world.mutant.lazyClaims)
	return all, err
}

func (s *server) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.Node.Import(ctx, table, arc, c)
	switch {
	case in.Closed:
		s.world.counted.Add(lateStep)
	case err == nil && len(c.Keys) > 0:
		s.world.counted.Add(keysMoved)
	}
	s.late(err)
	return in, err
}

func (s *server) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.Node.Confirm(ctx, table, arcs)
	s.synced(err, len(arcs) == 0 && s.world.mutant.lazyChanges)
	return all, err
}

func (s *server) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	found, err := s.Node.FindKeys(ctx, epoch, keys)
	for _, f := range found {
		if f.Stored {
			s.world.counted.Add(keyAtSource)
		}
	}
	return found, err
}

func (s *server) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Node.RetireArc(ctx, table, arc, pages)
	s.step(err)
	if err == nil {
		s.world.noteLeft(departure{stint{s.ID(), table}, arc})
	}
	return err
}

func (s *server) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Node.CloseArc(ctx, table, arc, pages)
	s.step(err)
	return err
}

// step keeps what a step of a move has done.
func (s *server) step(err error) {
	s.late(err)
	s.keep()
}

// synced syncs what such a step has done, unless lazy.
func (s *server) synced(err error, lazy bool) {
	if lazy {
		s.step(err)
		return
	}
	s.late(err)
	s.sync()
}

// late notes a step that came after its move.
func (s *server) late(err error) {
	if errors.Is(err, counting.ErrStale) {
		s.world.counted.Add(lateStep)
	}
}
