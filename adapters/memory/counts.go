package memory

import (
	"context"
	"fmt"
	"slices"

	"footfall/domain/counting"
)

// Apply implements counting.Counts.
func (n *Node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	if err := n.lockMember(ctx); err != nil {
		return counting.Receipt{}, fmt.Errorf("apply on %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	fence, opened, err := n.state.standing.Epochs()
	if err != nil {
		return counting.Receipt{}, fmt.Errorf("apply on %s: %w", n.id, err)
	}
	answer, err := n.state.sessions[b.Session].Admit(b, fence, opened)
	switch {
	case err != nil:
		return counting.Receipt{}, fmt.Errorf("apply on %s: %w", n.id, err)
	case answer != nil:
		return counting.Receipt{Duplicate: true, Refused: slices.Clone(answer.Refused)}, nil
	}
	var refused []counting.Refusal
	for i, v := range b.Visits {
		if reason := n.state.visit(v); reason != 0 {
			refused = append(refused, counting.Refusal{Item: i, Reason: reason})
		}
	}
	for i, a := range b.IDEvents {
		if reason := n.arrive(a, b.EndpointLimit); reason != 0 {
			refused = append(refused, counting.Refusal{Item: len(b.Visits) + i, Reason: reason})
		}
	}
	for i, k := range b.Keyed {
		if reason := n.once(k, b.KeyLimit); reason != 0 {
			refused = append(refused, counting.Refusal{Item: len(b.Visits) + len(b.IDEvents) + i, Reason: reason})
		}
	}
	for i, s := range b.SetCounts {
		if reason := n.state.set(s); reason != 0 {
			refused = append(refused, counting.Refusal{Item: b.Len() - len(b.SetCounts) + i, Reason: reason})
		}
	}
	n.state.sessions[b.Session] = session{Applied: counting.Applied{Seq: b.Seq, Refused: refused}, at: n.now()}
	return counting.Receipt{Refused: slices.Clone(refused)}, nil
}

// visit adds to a page, or says why not; 0 is no reason.
func (s *state) visit(v counting.Visit) counting.Reason {
	count := s.counts[v.Arc][v.Page]
	if count < 0 {
		return counting.Corrupt
	}
	sum, ok := counting.AddChecked(count, v.Count)
	if !ok {
		return counting.Overflow
	}
	if s.counts[v.Arc] == nil {
		s.counts[v.Arc] = make(map[counting.Page]int64)
	}
	s.counts[v.Arc][v.Page] = sum
	return 0
}

// set gives a page its count, or says why not; 0 is no reason.
func (s *state) set(to counting.SetCount) counting.Reason {
	if _, coming := s.coming[to.Arc]; coming {
		return counting.Moving
	}
	if to.Delete {
		delete(s.counts[to.Arc], to.Page)
		return 0
	}
	if s.counts[to.Arc] == nil {
		s.counts[to.Arc] = make(map[counting.Page]int64)
	}
	s.counts[to.Arc][to.Page] = to.Count
	return 0
}

// arrive adds an id to the current window, or says why not; 0 is no reason.
func (n *Node) arrive(a counting.IDEvent, limit int) counting.Reason {
	w := n.current()
	if a.Table != n.state.standing.Opened.IDTable(w) {
		return counting.WrongTable
	}
	kept := n.state.window(w)
	if kept.ids == nil {
		return counting.Corrupt
	}
	if a.Endpoint != "" {
		if _, known := kept.endpoints[a.Endpoint]; !known && len(kept.endpoints) >= limit {
			return counting.EndpointLimit
		}
		kept.endpoints[a.Endpoint] = struct{}{}
	}
	kept.ids[a.ID] = struct{}{}
	return 0
}

// Read implements counting.Counts.
func (n *Node) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, fmt.Errorf("read on %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	if err := n.state.standing.Serves(epoch); err != nil {
		return nil, fmt.Errorf("read on %s: %w", n.id, err)
	}
	tallies := make([]counting.Tally, len(pages))
	for i, p := range pages {
		if count := n.state.counts[p.Arc][p.Page]; count < 0 {
			tallies[i].Err = counting.Corrupt
		} else {
			tallies[i].Visits = count
		}
	}
	return tallies, nil
}
