package ringmodel_test

import (
	"context"
	"fmt"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// check compares what the nodes have with what they did and with what callers
// were told.
func (w *world) check() {
	ring := w.instances[0].cluster.View().Ring
	for _, page := range w.pages {
		w.checkPage(ring, page)
	}
	if w.plan.rollBacks {
		return // ids that were lost and sent again are in another window
	}
	for name, ids := range w.ids {
		if got, published := w.reports[name]; !published || got != int64(len(ids)) {
			w.violate("P5: window %s has %d ids and was published with %d (%v)", name, len(ids), got, published)
		}
	}
}

func (w *world) checkPage(ring *sharding.Ring, page counting.Page) {
	at := counting.Located{Arc: ring.Arc(page), Page: page}
	owner := ring.Members()[ring.Owner(at.Arc)].ID
	var stored, elsewhere int64
	where := ""
	for id, s := range w.servers {
		st, err := s.memory.Standing(context.Background())
		if err != nil || st.Opened == nil {
			continue
		}
		if st.Fenced.Epoch() != st.Opened.Epoch() {
			if ring.Index(id) >= 0 {
				w.violate("P4: node %s is still fenced", id)
			}
			if ring.Index(id) >= 0 || st.Fenced.Table() != st.Opened.Table() || s.memory.Open(context.Background(), st.Fenced) != nil {
				continue
			}
			st.Opened = st.Fenced // it has left, and was fenced once more by one who was late
		}
		parts, err := s.memory.ReadParts(context.Background(), st.Opened.Epoch(), []counting.Located{at})
		if err != nil {
			w.violate("P4: node %s can't be read: %v", id, err)
			continue
		}
		p := parts[0]
		if id == owner {
			stored = p.Visits
		} else {
			elsewhere += p.Visits
		}
		elsewhere += p.Residue
		if p.Visits+p.Residue > 0 {
			where += fmt.Sprintf(" %s: %d+%d (epoch %d)", id, p.Visits, p.Residue, st.Opened.Epoch())
		}
	}
	least, most := w.books[page].Bounds()
	if elsewhere > 0 {
		w.violate("P4: page %s of arc %d, owned by %s, has %d elsewhere:%s", page, at.Arc, owner, elsewhere, where)
	}
	if stored < least || stored > most {
		w.violate("P2: page %s has %d, want %d to %d:%s", page, stored, least, most, where)
	}
	if w.applied[page] != stored && !w.plan.rollBacks {
		w.violate("P2: page %s has %d, and %d were applied:%s", page, stored, w.applied[page], where)
	}
}
