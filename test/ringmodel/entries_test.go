package ringmodel_test

import (
	"context"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// checkList wants every window that was published in the list, once, with its
// number, and the same by its id, whatever became of its home. It is done, unless a node was
// lost that knew so: a copy only has what was published. Nor is it, if its closer was stopped
// meanwhile. It is not listed, if both nodes were lost that knew it.
func (w *world) checkList(ctx context.Context) {
	u := w.Instances()[0].uniques
	all, err := u.Windows(ctx, 1<<20)
	if err != nil {
		w.Violate("P5: the windows can't be listed: %v", err)
		return
	}
	listed := make(map[string]publishing.Summary)
	for _, s := range all {
		if _, twice := listed[s.ID]; twice {
			w.Violate("P5: window %s is listed twice", s.ID)
		}
		listed[s.ID] = s
	}
	for id, count := range w.reports {
		s, known := listed[id]
		if !known && w.isForgotten(id) {
			continue
		}
		mayWait := w.plan.losses || s.End.Add(2*windowLength).After(w.stopped)
		if s.Count != count || s.State == counting.Open || s.State != counting.Done && !mayWait {
			w.Violate("P5: window %s was published with %d and is listed as %q with %d", id, count, s.State, s.Count)
		}
		if one, _, err := u.Deliveries(ctx, id); err != nil || one != s {
			w.Violate("P5: window %s is listed as %+v and shown as %+v, %v", id, s, one, err)
		}
	}
}

// lostWindows are those that are listed as lost, which no window is without a lost node.
func (w *world) lostWindows(ctx context.Context) map[string]bool {
	lost := make(map[string]bool)
	all, err := w.Instances()[0].uniques.Windows(ctx, 1<<20)
	if err != nil {
		w.Violate("P5: the windows can't be listed: %v", err)
	}
	for _, s := range all {
		if s.State == counting.Lost {
			lost[s.ID] = true
			w.Counted.Add(windowLost)
		}
	}
	if len(lost) > 0 && !w.plan.losses {
		w.Violate("P5: windows are lost, and no node: %v", lost)
	}
	return lost
}

// oblivious says that it has taken entries, and has not.
type oblivious struct{ chaos.Node }

func (oblivious) ImportEntries(context.Context, counting.Epoch, []counting.FullEntry) error {
	return nil
}

// unaware opens a ring without the windows that an abandoned node may have had alone.
type unaware struct{ chaos.Node }

func (n unaware) Open(ctx context.Context, r *sharding.Ring) error {
	opened, known := n.RingState(ctx)
	before, _ := n.Heartbeat(ctx, counting.Clock{})
	err := n.Node.Open(ctx, r)
	if err != nil || known != nil || opened.Opened == nil || opened.Opened.Table() == r.Table() {
		return err
	}
	after, _ := n.Heartbeat(ctx, counting.Clock{})
	for _, w := range after.Waiting {
		if !slices.Contains(before.Waiting, w) && w < before.Current {
			_ = n.Retire(ctx, w)
		}
	}
	return nil
}
