package resharding

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// errMoving: arcs move between nodes that are not to be abandoned.
var errMoving = errors.New("arcs of other nodes are still coming")

// Abandon removes nodes that are permanently lost, with their data: their pages start
// elsewhere with what had not been moved to them yet, mostly at 0. The losses are
// recorded in the ring. All nodes that are away have to be abandoned together.
//
// While arcs move between other nodes, Abandon only condemns the nodes
// (sharding.Plan.Condemned), and any instance abandons them when the arcs have arrived.
// Ids are refused until then: their windows could not be published. A condemned node that
// answers again is not abandoned.
func (s *Service) Abandon(ctx context.Context, ids ...counting.NodeID) (sharding.Plan, error) {
	ids = slices.Concat(ids, s.Cluster.View().Condemned())
	slices.Sort(ids)
	ids = slices.Compact(ids)
	abandon := func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Abandon(c, ids...) }
	plan, err := s.change(ctx, false, abandon, ids...)
	switch {
	case err == nil:
		s.Log.Error("nodes were abandoned with their data", "nodes", ids, "epoch", plan.Epoch)
	case errors.Is(err, errMoving):
		return s.condemn(ctx, ids)
	}
	return plan, err
}

// condemn makes the ring in which the nodes of the ids are condemned, and no others.
func (s *Service) condemn(ctx context.Context, ids []counting.NodeID) (sharding.Plan, error) {
	if v := s.Cluster.View(); slices.Equal(v.Condemned(), ids) {
		return v.Plan(), nil
	}
	plan, err := s.make(ctx, false, transition{
		plan:      func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Condemn(c, ids...) },
		abandoned: ids, keepsTable: true,
	})
	if err == nil && len(ids) > 0 {
		s.Log.Warn("nodes will be abandoned when the arcs of others have arrived; ids are refused until then", "nodes", ids, "epoch", plan.Epoch)
	}
	return plan, err
}

// conclude abandons the condemned nodes of a view if the arcs of others have arrived. Those
// that answer again are condemned no more.
func (s *Service) conclude(v *cluster.View) {
	ids := v.Condemned()
	if len(ids) == 0 || rand.N(4) > 0 { // so that instances seldom try simultaneously
		return
	}
	if _, err := s.Abandon(s.ctx, ids...); !errors.Is(err, sharding.ErrAnswers) {
		return
	}
	var away []counting.NodeID
	for _, id := range ids {
		back, _ := cluster.Call(s.ctx, cluster.CallTimeout, func(ctx context.Context) (bool, error) { return hasData(ctx, v, v.Nodes[v.Index(id)]) })
		if !back {
			away = append(away, id)
		}
	}
	if len(away) == len(ids) {
		return
	}
	if plan, err := s.condemn(s.ctx, away); err == nil {
		s.Log.Warn("nodes that were to be abandoned answer again", "epoch", plan.Epoch, "still_away", len(away))
	}
}
