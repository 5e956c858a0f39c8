package resharding

import (
	"context"
	"errors"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Status asks every node for its state of the ring.
func (s *Service) Status(ctx context.Context) sharding.Status {
	v := s.Cluster.View()
	st := sharding.Status{Epoch: v.Epoch(), Fence: v.Epoch(), Losses: append([]sharding.Loss{}, v.Losses()...), Nodes: make([]sharding.MemberStatus, len(v.Nodes))}
	st.Moves.Total = len(v.Moves())
	for i, m := range v.Members() {
		skew, _ := v.Nodes[i].Skew()
		st.Nodes[i] = sharding.MemberStatus{Member: m, Share: v.Share(i), ClockSkew: skew.Seconds()}
		if v.Away(i) {
			st.Nodes[i].Away = "it was abandoned"
		}
	}
	for _, a := range cluster.Ask(ctx, cluster.CallTimeout, v.Present(), func(ctx context.Context, m *cluster.Member) (sharding.RingSummary, error) { return m.RingSummary(ctx) }) {
		i := v.Index(a.From.ID())
		n := &st.Nodes[i]
		n.Host = v.Nodes[i].Host() // the call may have found it at another server
		n.Incoming, n.Keys, n.Pages, n.Full = a.Value.Incoming, a.Value.Keys, a.Value.Pages, s.Cluster.Full(a.Value)
		n.DiskFree = a.Value.DiskFree
		n.DeadLetters, n.DroppedDeadLetters = a.Value.DeadLetters, a.Value.DroppedDeadLetters
		n.Away = away(a.Value, v.Epoch(), a.Err)
		n.Refused, _ = cluster.Refusal(a.Err)
		switch {
		case !v.MayReceive(i):
			n.Incoming = 0
		case n.Away != "": // it can't tell
			n.Incoming = len(v.Incoming(n.ID))
		}
		st.Fence = max(st.Fence, a.Value.Fence)
		st.Moves.Left += n.Incoming
	}
	st.Moves.Arcs, st.Moves.Pages, st.Moves.Stuck = s.arcs.Load(), s.pages.Load(), s.backoffs.stuck(v.Table())
	st.Moves.Excess = s.excess.Load()
	if rate := s.backoffs.rate(v.Table(), st.Moves.Left); rate > 0 {
		st.Moves.Rate = rate
		st.Moves.Estimate = time.Duration(float64(st.Moves.Left) / rate * float64(time.Second)).Seconds()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Sweep = s.swept
	return st
}

// Epoch is the epoch of the instance's view; 0 before the start.
func (s *Service) Epoch() counting.Epoch {
	if v := s.Cluster.View(); v != nil {
		return v.Epoch()
	}
	return 0
}

// Owner is the node that owns a page, with the page's arc. It asks no node.
func (s *Service) Owner(page counting.Page) sharding.PageOwner {
	v := s.Cluster.View()
	arc := v.Arc(page)
	m := v.Nodes[v.Owner(arc)]
	return sharding.PageOwner{Page: page, Node: m.ID(), Host: m.Host(), Arc: arc}
}

// away is why a node does not serve the ring of an epoch, by what it answered; "" if it
// does.
func away(p sharding.RingSummary, epoch counting.Epoch, err error) string {
	switch {
	case err != nil:
		return whyAway(err)
	case p.Opened < epoch:
		return "it has not opened the ring"
	}
	return ""
}

// whyAway explains to an operator why a node can't be asked.
func whyAway(err error) string {
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return "it came back empty"
	case errors.Is(err, counting.ErrWrongNode):
		return "it is another node"
	case errors.Is(err, counting.ErrOtherDeployment):
		return "it belongs to another deployment"
	case errors.Is(err, counting.ErrNewerFormat):
		return "a newer version has written it"
	case errors.Is(err, counting.ErrReplaced):
		return "its file was removed or replaced"
	case errors.Is(err, counting.ErrAhead), errors.Is(err, counting.ErrStale):
		return "it has another ring"
	}
	if says := counting.ServerSays(err); says != "" {
		return "it refuses calls: " + says
	}
	return "it does not answer"
}
