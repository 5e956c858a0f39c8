package ringmodel_test

import (
	"context"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
)

// checkList wants every window that was published in the list, once, with its
// number, and the same by its id, whatever became of its home.
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
		s := listed[id]
		if s.Count != count || s.State == counting.Open {
			w.Violate("P5: window %s was published with %d and is listed as %q with %d", id, count, s.State, s.Count)
		}
		if one, _, err := u.Deliveries(ctx, id); err != nil || one != s {
			w.Violate("P5: window %s is listed as %+v and shown as %+v, %v", id, s, one, err)
		}
	}
}

// oblivious says that it has taken entries, and has not.
type oblivious struct{ chaos.Node }

func (oblivious) ImportEntries(context.Context, counting.Epoch, []counting.FullEntry) error {
	return nil
}
