package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// check compares what the nodes have with what they did and with what callers
// received.
func (w *world) check(ctx context.Context) {
	ring := w.Instances()[0].cluster.View().Ring
	var holdings []holding
	for _, s := range w.all() {
		if h, ok := w.look(ctx, s, ring); ok {
			holdings = append(holdings, h)
		}
	}
	for at, page := range w.pages {
		w.checkPage(ring, page, at, holdings)
	}
	if w.plan.history {
		for _, page := range slices.Concat(w.pages, w.setPages) {
			w.checkHistory(ctx, page, !w.plan.rollBacks)
		}
		return // no id was sent
	}
	if w.plan.rollBacks {
		return // ids that were lost and sent again are in another window
	}
	lost := w.lostWindows(ctx)
	for name, ids := range w.ids {
		if lost[name] || w.losses.marked[name] && w.isForgotten(name) {
			continue
		}
		if got, published := w.reports[name]; !published || got != int64(len(ids)) {
			w.Violate("P5: window %s has %d ids and was published with %d (%v)", name, len(ids), got, published)
		}
	}
	w.checkList(ctx)
}

// holding is what a node has of the world's pages.
type holding struct {
	id    counting.NodeID
	epoch counting.Epoch
	parts []counting.Part
}

// look reads what a node has, past all that goes wrong; false is one that was
// never admitted.
func (w *world) look(ctx context.Context, s *server, ring *sharding.Ring) (holding, bool) {
	if err := s.far.resolve(w); err != nil {
		w.Violate("P1: node %s does not come back: %v", s.ID(), err)
		return holding{}, false
	}
	if s.gone.Load() || s.buried.Load() && w.plan.real {
		return holding{}, false // what it kept back is missing at the owner
	}
	st, err := s.far.RingState(ctx)
	switch {
	case errors.Is(err, counting.ErrUninitialized), err == nil && st.Opened == nil:
		return holding{}, false
	case err != nil:
		w.Violate("P1: node %s can't be read: %v", s.ID(), err)
		return holding{}, false
	case st.Fenced.Epoch() == st.Opened.Epoch():
	case ring.Index(s.ID()) >= 0:
		w.Violate("P4: node %s is still fenced", s.ID())
		return holding{}, false
	case st.Fenced.Table() != st.Opened.Table() || s.far.Open(ctx, st.Fenced) != nil:
		return holding{}, false
	default:
		st.Opened = st.Fenced // it has left, and was fenced once more by one who was late
	}
	at := make([]counting.Located, len(w.pages))
	for i, page := range w.pages {
		at[i] = counting.Located{Arc: ring.Arc(page), Page: page}
	}
	parts, err := s.far.ReadParts(ctx, counting.Expected{Epoch: st.Opened.Epoch()}, at)
	if err != nil {
		w.Violate("P4: node %s can't be read: %v", s.ID(), err)
		return holding{}, false
	}
	return holding{s.ID(), st.Opened.Epoch(), parts}, true
}

func (w *world) checkPage(ring *sharding.Ring, page counting.Page, at int, holdings []holding) {
	arc := ring.Arc(page)
	owner := ring.Members()[ring.Owner(arc)].ID
	var stored, elsewhere int64
	where := ""
	for _, h := range holdings {
		p := h.parts[at]
		if h.id == owner {
			stored = p.Visits
		} else {
			elsewhere += p.Visits
		}
		if !w.plan.powerCuts { // frozen pages that were retired may be back then: they are a copy
			elsewhere += p.Frozen
		}
		if p.Visits+p.Frozen > 0 {
			where += fmt.Sprintf(" %s: %d+%d (epoch %d)", h.id, p.Visits, p.Frozen, h.epoch)
		}
	}
	least, most := w.Account(page).Bounds()
	lost := w.losses.lost[page]
	if elsewhere > 0 {
		w.Violate("P4: page %s of arc %d, owned by %s, has %d elsewhere:%s", page, arc, owner, elsewhere, where)
	}
	if stored+lost < least || stored+lost > most {
		w.Violate("P2: page %s has %d, and %d are lost, want %d to %d:%s", page, stored, lost, least, most, where)
	}
	if w.applied[page]-lost != stored && !w.plan.rollBacks {
		w.Violate("P2: page %s has %d, and %d were applied:%s", page, stored, w.applied[page], where)
	}
}
