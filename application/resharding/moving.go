package resharding

import (
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// moving is the moves to a table, as this instance has seen them begin.
type moving struct {
	table       counting.Epoch // 0: it has seen none
	began       time.Time
	arcs, pages int64 // that this instance had moved before
}

// note notes how many arcs of a view are left to move. It logs when none is left any more.
func (m *moving) note(s *Service, v *cluster.View, left int) {
	switch {
	case left > 0 && m.table != v.Table():
		*m = moving{table: v.Table(), began: time.Now(), arcs: s.arcs.Load(), pages: s.pages.Load()}
	case left == 0 && m.table == v.Table():
		s.Log.Info("moves ended: every page is where the ring has it", "epoch", v.Epoch(), "arcs", len(v.Moves()),
			"took", time.Since(m.began).Round(time.Millisecond).String(),
			"arcs_by_this_instance", s.arcs.Load()-m.arcs, "pages_by_this_instance", s.pages.Load()-m.pages)
		m.table = 0
	}
}
