package sharding

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"footfall/domain/counting"
)

// Arc is the arc of a page: the highest bits of the XXH3-64 of its name, with the
// deployment's seed. It is the same in every process and every release.
func (r *Ring) Arc(page counting.Page) counting.Arc {
	return counting.Arc(xxh3.HashStringSeed(string(page), r.seed) >> (64 - arcBits))
}

// Owner is the index of the member that owns an arc, which must be below Arcs.
func (r *Ring) Owner(arc counting.Arc) int { return int(r.tables[0].owners[arc]) }

// Tables is the number of tables by which ids may be routed, at least 1.
func (r *Ring) Tables() int { return len(r.tables) }

// TableFor is the number of the table that is valid for a window; 0 is the newest.
func (r *Ring) TableFor(w counting.Window) int {
	for i, t := range r.tables {
		if t.From <= w {
			return i
		}
	}
	return len(r.tables) - 1
}

// IDOwner is the index of the member that collects an id by a table, and the table's
// epoch.
func (r *Ring) IDOwner(id counting.ID, tableNumber int) (int, counting.Epoch) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	t := &r.tables[tableNumber]
	return int(t.owners[xxh3.HashSeed(b[:], r.seed)>>(64-arcBits)]), t.Epoch
}

// IDTable is the epoch of the table that is valid for a window.
func (r *Ring) IDTable(w counting.Window) counting.Epoch { return r.tables[r.TableFor(w)].Epoch }

// HomeIndex is the index of the member whose Ledger has the window's entry, from its
// first claim on. It follows from the window's table. If that member is lost, it is the
// first active one.
func (r *Ring) HomeIndex(w counting.Window) int {
	home := int(r.tables[r.TableFor(w)].owners[r.Arc(counting.Page(r.length.Name(w)))])
	if r.members[home].State != Lost {
		return home
	}
	return slices.IndexFunc(r.members, func(m Member) bool { return m.State == Active })
}

// SecondIndex is the index of the member that has a copy of what is recorded of a window,
// in case its home is abandoned: the first active one but the home; -1 if there is none.
func (r *Ring) SecondIndex(w counting.Window) int {
	home := r.members[r.HomeIndex(w)].ID
	return slices.IndexFunc(r.members, func(m Member) bool { return m.State == Active && m.ID != home })
}

// Loses tells whether a lost member has a part of a window's ids, or its entry.
func (r *Ring) Loses(w counting.Window) bool { return r.LosesTable(r.TableFor(w)) }

// LosesTable tells whether a lost member owns arcs by the table of a number (TableFor). If
// so, no window for which the table is valid is published, unless it was sealed before.
func (r *Ring) LosesTable(number int) bool {
	return slices.ContainsFunc(r.tables[number].owners[:], func(o uint16) bool { return r.members[o].State == Lost })
}

// LostUntil is the first window of the newest table, if that was made to abandon members:
// they may have had ids of earlier windows of which no other node knows. Other tables have
// none: it is 0.
func (r *Ring) LostUntil() counting.Window {
	if slices.ContainsFunc(r.losses, func(l Loss) bool { return l.Epoch == r.Table() }) {
		return r.tables[0].From
	}
	return 0
}

// Share is the part of the circle that a member owns, 0 to 1.
func (r *Ring) Share(member int) float64 {
	n := 0
	for _, o := range r.tables[0].owners {
		if int(o) == member {
			n++
		}
	}
	return float64(n) / Arcs
}

// IDTables are the tables by which ids may be routed, newest first. The last one is
// also valid for all earlier windows. The caller must not change them.
func (r *Ring) IDTables() []Table { return r.tables }
