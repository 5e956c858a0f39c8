package memory

import (
	"maps"
	"math"
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// state is all that a node knows.
type state struct {
	// owner is the node that the state is of, empty until the first Fence.
	owner    counting.NodeID
	standing sharding.RingState
	counts   map[counting.Arc]map[counting.Page]int64
	sessions map[counting.Session]session
	// keys are those that are kept beside an arc, and keyCounts how many of
	// each day there are.
	keys      map[counting.Arc]map[counting.Key]counting.StoredKey
	keyCounts map[counting.Day]int
	// coming are the arcs that are on their way to the node, with the pages
	// that are marked; going those that it had, of the newest open table.
	coming map[counting.Arc]map[counting.Page]struct{}
	going  map[counting.Arc]*going
	// aside is what was set aside, and residues of earlier tables.
	quarantine []quarantined
	windows    map[counting.Window]*window
	// sealed is the highest window that takes no ids any more.
	sealed  counting.Window
	entries map[counting.Window]*entry
}

// going is an arc that was claimed.
type going struct {
	residue map[counting.Page]int64 // nil when it is gone
	pages   int
}

// aside is in no count. Nothing changes its pages.
type quarantined struct {
	counting.Orphan
	pages map[counting.Page]int64
}

type session struct {
	counting.Applied
	at time.Time
}

// window is what a node keeps of a window until it is retired and after.
type window struct {
	// ids is never nil, but where a test spoiled it.
	ids       map[counting.ID]struct{}
	endpoints map[string]struct{}
	// retired is zero while the window is a waiting one.
	retired time.Time
}

type entry struct {
	counting.LedgerEntry
	// calls is never nil, but where a test spoiled the entry.
	calls map[string]counting.Delivery
	// done is when the window became Done.
	done time.Time
}

func empty() state {
	return state{
		counts:    make(map[counting.Arc]map[counting.Page]int64),
		sessions:  make(map[counting.Session]session),
		keyCounts: make(map[counting.Day]int),
		keys:      make(map[counting.Arc]map[counting.Key]counting.StoredKey),
		coming:    make(map[counting.Arc]map[counting.Page]struct{}),
		going:     make(map[counting.Arc]*going),
		windows:   make(map[counting.Window]*window),
		sealed:    math.MinInt64,
		entries:   make(map[counting.Window]*entry),
	}
}

// clone shares nothing that changes with s.
func (s *state) clone() state {
	c := *s
	c.counts = make(map[counting.Arc]map[counting.Page]int64, len(s.counts))
	for arc, pages := range s.counts {
		c.counts[arc] = maps.Clone(pages)
	}
	c.sessions = maps.Clone(s.sessions)
	c.keys = make(map[counting.Arc]map[counting.Key]counting.StoredKey, len(s.keys))
	for arc, keys := range s.keys {
		c.keys[arc] = maps.Clone(keys)
	}
	c.keyCounts = maps.Clone(s.keyCounts)
	c.coming = make(map[counting.Arc]map[counting.Page]struct{}, len(s.coming))
	for arc, marks := range s.coming {
		c.coming[arc] = maps.Clone(marks)
	}
	c.going = make(map[counting.Arc]*going, len(s.going))
	for arc, g := range s.going {
		c.going[arc] = &going{residue: maps.Clone(g.residue), pages: g.pages}
	}
	c.quarantine = slices.Clone(s.quarantine)
	c.windows = make(map[counting.Window]*window, len(s.windows))
	for w, kept := range s.windows {
		c.windows[w] = &window{ids: maps.Clone(kept.ids), endpoints: maps.Clone(kept.endpoints), retired: kept.retired}
	}
	c.entries = make(map[counting.Window]*entry, len(s.entries))
	for w, e := range s.entries {
		c.entries[w] = &entry{LedgerEntry: e.LedgerEntry, calls: maps.Clone(e.calls), done: e.done}
	}
	return c
}

// forget drops what has been kept long enough.
func (s *state) forget(now time.Time) {
	over := func(since time.Time, life time.Duration) bool { return !now.Before(since.Add(life)) }
	maps.DeleteFunc(s.sessions, func(_ counting.Session, kept session) bool {
		return over(kept.at, counting.SessionLife)
	})
	s.forgetKeys(counting.DayOf(now))
	maps.DeleteFunc(s.windows, func(_ counting.Window, kept *window) bool {
		return !kept.retired.IsZero() && over(kept.retired, counting.WindowLife)
	})
	maps.DeleteFunc(s.entries, func(_ counting.Window, kept *entry) bool {
		if kept.State == counting.Done && over(kept.done, counting.WindowLife) {
			clear(kept.calls)
		}
		return over(kept.Changed, counting.EntryLife)
	})
}

// Snapshot is all that a node knew at one moment. The zero Snapshot is that
// of a node that came back empty.
type Snapshot struct{ state *state }

// Snapshot copies what the node knows.
func (n *Node) Snapshot() Snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.state.clone()
	return Snapshot{state: &s}
}

// Restore rolls the node back to an older state, or makes it a copy of another
// node, as a fail-over or a wrong backup does. A Snapshot can be used again.
func (n *Node) Restore(to Snapshot) {
	s := empty()
	if to.state != nil {
		s = to.state.clone()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = s
}
