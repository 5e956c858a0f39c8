package resharding

import (
	"context"
	"errors"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// pace is the number of arcs that were left of a table's moves when this instance first
// asked.
type pace struct {
	table counting.Epoch
	left  int
	since time.Time
}

func (s *Service) notePace(table counting.Epoch, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.table != table {
		s.began = pace{table, left, time.Now()}
	}
}

// Status asks every node for its state of the ring.
func (s *Service) Status(ctx context.Context) sharding.Status {
	v := s.Cluster.View()
	st := sharding.Status{Epoch: v.Epoch(), Fence: v.Epoch(), Losses: append([]sharding.Loss{}, v.Losses()...), Nodes: make([]sharding.MemberStatus, len(v.Nodes))}
	summaries := make([]sharding.RingSummary, len(v.Nodes))
	errs := make([]error, len(v.Nodes))
	_ = v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		summaries[i], errs[i] = m.RingSummary(ctx)
		return nil
	})
	incoming := make([]int, len(v.Nodes))
	for _, m := range v.Moves() {
		incoming[m.To]++
		st.Moves.Total++
	}
	for i, m := range v.Members() {
		n := sharding.MemberStatus{Member: m, Share: v.Share(i), Incoming: summaries[i].Incoming, Keys: summaries[i].Keys}
		st.Fence = max(st.Fence, summaries[i].Fence)
		switch {
		case v.Away(i):
			n.Away = "it was abandoned"
		case errs[i] != nil:
			n.Away = whyAway(errs[i])
			n.Incoming = incoming[i]
		case summaries[i].Opened < v.Epoch():
			n.Away = "it has not opened the ring"
			n.Incoming = incoming[i]
		}
		if !v.MayReceive(i) {
			n.Incoming = 0
		}
		st.Moves.Left += n.Incoming
		st.Nodes[i] = n
	}
	s.progress(v, &st.Moves)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Sweep = s.swept
	return st
}

// progress adds what this instance has measured.
func (s *Service) progress(v *cluster.View, p *sharding.Progress) {
	p.Arcs, p.Pages, p.Stuck = s.arcs.Load(), s.pages.Load(), s.backoffs.stuck(v.Table())
	s.mu.Lock()
	defer s.mu.Unlock()
	took := time.Since(s.began.since).Seconds()
	if s.began.table != v.Table() || s.began.left <= p.Left || took <= 0 {
		return
	}
	p.Rate = float64(s.began.left-p.Left) / took
	p.Estimate = time.Duration(float64(p.Left) / p.Rate * float64(time.Second)).Seconds()
}

// Epoch is the epoch of the instance's view; 0 before the start.
func (s *Service) Epoch() counting.Epoch {
	if v := s.Cluster.View(); v != nil {
		return v.Epoch()
	}
	return 0
}

// Owner is the node that owns a page, and the page's arc.
func (s *Service) Owner(page counting.Page) (counting.NodeID, counting.Arc) {
	v := s.Cluster.View()
	arc := v.Arc(page)
	return v.Members()[v.Owner(arc)].ID, arc
}

// whyAway explains to an operator why a node can't be asked.
func whyAway(err error) string {
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return "it came back empty"
	case errors.Is(err, counting.ErrWrongNode):
		return "it is another node"
	case errors.Is(err, counting.ErrAhead), errors.Is(err, counting.ErrStale):
		return "it has another ring"
	}
	return "it does not answer"
}
