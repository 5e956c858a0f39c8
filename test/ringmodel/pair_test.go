package ringmodel_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// pair is a ring of two nodes with an instance at each, which a partition separates.
// Each side abandons the other.
func pair() plan {
	p := storm()
	p.instances, p.operators, p.pair = 2, 0, true
	return p
}

const (
	bothAbandon      chaos.Fault = "each_of_two_nodes_is_abandoned_by_the_other"
	firstGoesOn      chaos.Fault = "the_first_of_two_nodes_goes_on_alone"
	secondIsRefused  chaos.Fault = "the_second_of_two_nodes_is_refused"
	abandonWhenEmpty chaos.Fault = "the_first_of_two_nodes_is_abandoned_when_it_is_empty"
)

// V17, P3, P4: a partition in which each of two nodes is to abandon the other never splits
// the ring. The second can go on when the first has come back empty.
func TestTwoNodesThatAreSeparatedNeverSplitTheRing(t *testing.T) {
	runMany(t, pair, []chaos.Fault{bothAbandon, firstGoesOn, secondIsRefused, abandonWhenEmpty})
}

// runPair separates two nodes, each with an instance, abandons both, and joins them.
func (w *world) runPair(ctx context.Context) {
	for slot := range w.plan.instances {
		w.Revive(slot)
	}
	w.plant()
	d := chaos.NewDice(w.Seed, "pair")
	until := time.Now().Add(d.Between(3*time.Second, 12*time.Second))
	ids := []counting.NodeID{"n0001", "n0002"}
	for side, i := range w.Instances() {
		l, _ := i.links.Load(ids[1-side])
		l.(*link).cut.Store(until.UnixNano())
	}
	time.Sleep(d.Between(0, 3*time.Second))
	both := w.mutant.name != "" || d.Chance(0.6)
	var sides sync.WaitGroup
	for side, i := range w.Instances() {
		if side == 0 && !both {
			continue
		}
		rest := chaos.NewDice(w.Seed, i.Name+"abandons")
		sides.Go(func() {
			for time.Now().Before(until) {
				ctx, cancel := context.WithDeadline(ctx, until)
				_, err := i.ring.Abandon(ctx, false, ids[1-side])
				cancel()
				if side == 1 && errors.Is(err, sharding.ErrMinority) {
					w.Counted.Add(secondIsRefused)
				}
				time.Sleep(rest.Between(0, time.Second))
			}
		})
	}
	if both {
		w.Counted.Add(bothAbandon)
	}
	sides.Wait()
	w.mend()
	w.resolve(ctx)
	i := w.Instances()[1]
	losses := i.cluster.View().Losses()
	switch {
	case slices.ContainsFunc(losses, func(l sharding.Loss) bool { return l.Node == ids[1] }):
		w.Counted.Add(firstGoesOn)
	case len(losses) == 0:
		w.serverOf(ids[0]).empty()
		if _, err := i.ring.Abandon(ctx, false, ids[0]); err != nil {
			w.Violate("P4: %s is empty, and can't be abandoned: %v", ids[0], err)
		}
		w.Counted.Add(abandonWhenEmpty)
	}
	w.abandon()
}

// hopeful takes a node that does not answer for an empty one.
type hopeful struct{ *link }

func (l hopeful) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	s, err := l.link.RingSummary(ctx)
	if err != nil {
		err = errors.Join(counting.ErrUninitialized, err)
	}
	return s, err
}
