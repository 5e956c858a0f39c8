package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// residuePages is the most that one FetchPages returns.
const residuePages = 64

// startMoves begins the moves of the table of r, which is opened. What lies
// where the new ones are to come, or was left by those before, is set aside.
func (s *state) startMoves(r *sharding.Ring) {
	for _, arc := range r.ReclaimedArcs(s.owner) {
		s.retain(arc, r.Table())
	}
	for _, arc := range slices.Sorted(maps.Keys(s.going)) {
		if g := s.going[arc]; g.stage() == counting.Frozen {
			s.quarantine = append(s.quarantine, quarantined{counting.Orphan{Arc: arc, Table: s.standing.Opened.Table()}, g.residue})
		}
	}
	for _, arc := range r.AddedArcs(s.owner) {
		s.setAside(arc, r.Table())
		s.dropKeys(arc)
	}
	coming := r.Incoming(s.owner)
	s.going = make(map[counting.Arc]*going)
	s.coming = make(map[counting.Arc]map[counting.Page]struct{}, len(coming))
	for _, arc := range coming {
		s.coming[arc] = nil
	}
}

// setAside gives what is live of an arc another name, by the table that comes.
func (s *state) setAside(arc counting.Arc, table counting.Epoch) {
	if pages := s.counts[arc]; len(pages) > 0 {
		s.quarantine = append(s.quarantine, quarantined{counting.Orphan{Arc: arc, Table: table, Quarantined: true}, pages})
		delete(s.counts, arc)
	}
}

// retain makes what has not left of an arc live again.
func (s *state) retain(arc counting.Arc, table counting.Epoch) {
	g := s.going[arc]
	if g.stage() == counting.Live {
		return
	}
	s.setAside(arc, table) // since it was claimed
	if g.stage() == counting.Frozen {
		s.counts[arc] = g.residue
	} else {
		s.dropKeys(arc)
	}
	delete(s.going, arc)
}

// move lets act take a step of the moves of a table, under the lock.
func (n *Node) move(ctx context.Context, what string, table counting.Epoch, act func(*state) error) error {
	if err := n.lockMember(ctx); err != nil {
		return fmt.Errorf("%s on %s: %w", what, n.id, err)
	}
	defer n.mu.Unlock()
	err := n.state.standing.Moves(table)
	if err == nil {
		err = act(&n.state)
	}
	if err != nil {
		return fmt.Errorf("%s on %s: %w", what, n.id, err)
	}
	return nil
}

// IncomingArcs implements counting.Movable.
func (n *Node) IncomingArcs(ctx context.Context, table counting.Epoch) (arcs []counting.Arc, err error) {
	err = n.move(ctx, "list coming arcs", table, func(s *state) error {
		arcs = slices.Sorted(maps.Keys(s.coming))
		return nil
	})
	return arcs, err
}

// ClaimArcs implements counting.Movable.
func (n *Node) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.FrozenPages, err error) {
	err = n.move(ctx, "claim arcs", table, func(s *state) error {
		for _, arc := range arcs {
			g := s.claim(arc)
			all = append(all, counting.FrozenPages{Stage: g.stage(), Pages: g.pages})
		}
		return nil
	})
	return all, err
}

func (s *state) claim(arc counting.Arc) *going {
	if g := s.going[arc]; g != nil {
		return g
	}
	g := &going{pages: len(s.counts[arc])}
	if g.pages > 0 || len(s.keys[arc]) > 0 {
		g.residue = s.counts[arc]
		if g.residue == nil {
			g.residue = make(map[counting.Page]int64)
		}
	}
	delete(s.counts, arc)
	s.going[arc] = g
	return g
}

func (g *going) stage() counting.Stage {
	switch {
	case g == nil:
		return counting.Live
	case g.residue == nil:
		return counting.Released
	}
	return counting.Frozen
}

// FetchPages implements counting.Movable. The cursor is the last page that
// was returned.
func (n *Node) FetchPages(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (pages []counting.Visit, next string, err error) {
	err = n.move(ctx, "fetch a residue", table, func(s *state) error {
		g := s.going[arc]
		if g.stage() != counting.Frozen {
			return counting.ErrUnfinished
		}
		for _, page := range slices.Sorted(maps.Keys(g.residue)) {
			switch {
			case string(page) <= cursor: // no page is empty
			case len(pages) == residuePages:
				next = string(pages[len(pages)-1].Page)
				return nil
			default:
				pages = append(pages, counting.Visit{Arc: arc, Page: page, Count: max(g.residue[page], -1)})
			}
		}
		return nil
	})
	return pages, next, err
}

// Import implements counting.Movable.
func (n *Node) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, pages []counting.Visit) (in counting.ImportResult, err error) {
	err = n.move(ctx, "take in pages", table, func(s *state) error {
		if _, coming := s.coming[arc]; !coming {
			in.Closed = true
			return nil
		}
		marks := s.marks(arc)
		for i, v := range pages {
			if _, marked := marks[v.Page]; marked {
				continue
			}
			reason := counting.Corrupt
			if v.Count >= 0 {
				reason = s.visit(v)
			}
			if reason != 0 {
				in.Refused = append(in.Refused, counting.Refusal{Item: i, Reason: reason})
				continue
			}
			marks[v.Page] = struct{}{}
		}
		in.Pages, in.Keys = marked(marks)
		return nil
	})
	return in, err
}

// marks are those of an arc that is coming.
func (s *state) marks(arc counting.Arc) map[counting.Page]struct{} {
	if s.coming[arc] == nil {
		s.coming[arc] = make(map[counting.Page]struct{})
	}
	return s.coming[arc]
}

// allKeys is the mark that all keys of an arc are there: no page is empty.
const allKeys = counting.Page("")

// marked is how many pages are marked, and whether all keys are there.
func marked(marks map[counting.Page]struct{}) (pages int, keys bool) {
	_, keys = marks[allKeys]
	if keys {
		return len(marks) - 1, true
	}
	return len(marks), false
}

// Confirm implements counting.Movable.
func (n *Node) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.ImportResult, err error) {
	err = n.move(ctx, "confirm arcs", table, func(s *state) error {
		for _, arc := range arcs {
			var in counting.ImportResult
			marks, coming := s.coming[arc]
			if in.Closed = !coming; coming {
				in.Pages, in.Keys = marked(marks)
			}
			all = append(all, in)
		}
		return nil
	})
	return all, err
}

// RetireArc implements counting.Movable.
func (n *Node) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return n.move(ctx, "retire an arc", table, func(s *state) error {
		g := s.going[arc]
		switch {
		case g.stage() == counting.Released:
			return nil
		case g.stage() != counting.Frozen || g.pages != pages:
			return counting.ErrUnfinished
		}
		g.residue = nil
		s.dropKeys(arc)
		return nil
	})
}

// CloseArc implements counting.Movable.
func (n *Node) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return n.move(ctx, "close an arc", table, func(s *state) error {
		marks, coming := s.coming[arc]
		if !coming {
			return nil
		}
		if has, _ := marked(marks); has < pages {
			return counting.ErrUnfinished
		}
		delete(s.coming, arc)
		s.standing.Incoming = len(s.coming)
		return nil
	})
}

// ReadParts implements counting.Movable.
func (n *Node) ReadParts(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Part, error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, fmt.Errorf("read on %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	if err := n.state.standing.Serves(epoch); err != nil {
		return nil, fmt.Errorf("read on %s: %w", n.id, err)
	}
	parts := make([]counting.Part, len(pages))
	for i, p := range pages {
		part := &parts[i]
		marks, coming := n.state.coming[p.Arc]
		_, part.Marked = marks[p.Page]
		part.Closed = !coming
		part.Visits = n.state.counts[p.Arc][p.Page]
		g := n.state.going[p.Arc]
		part.Stage = g.stage()
		if g != nil {
			part.Frozen = g.residue[p.Page]
		}
		if part.Visits < 0 || part.Frozen < 0 {
			*part = counting.Part{Err: counting.Corrupt}
		}
	}
	return parts, nil
}

// ImportEntries implements counting.Movable.
func (n *Node) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	return n.move(ctx, "take entries", table, func(s *state) error {
		for _, e := range entries {
			kept := s.entries[e.Window]
			if kept == nil {
				kept = &entry{LedgerEntry: counting.NewLedgerEntry(e.Window), calls: make(map[string]counting.Delivery)}
			}
			if kept.calls == nil {
				return counting.Corrupt
			}
			if kept.Take(e.Entry, n.now()) {
				kept.done = n.now()
				clear(kept.calls)
				maps.Copy(kept.calls, e.ByEndpoint)
				s.entries[e.Window] = kept
			}
		}
		return nil
	})
}
