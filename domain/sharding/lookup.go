package sharding

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"footfall/domain/counting"
)

// Arc is the arc in which a page lies: the highest bits of the XXH3-64 of its
// name under the deployment's seed. The same name and seed give the same arc
// in every process and every release.
func (r *Ring) Arc(page counting.Page) counting.Arc {
	return counting.Arc(xxh3.HashStringSeed(string(page), r.seed) >> (64 - arcBits))
}

// Owner is the index of the member that has the arc's pages; arc is one that
// Arc gave, or any other below Arcs.
func (r *Ring) Owner(arc counting.Arc) int { return int(r.tables[0].owners[arc]) }

// Tables is the number of tables by which ids may be routed, at least 1.
func (r *Ring) Tables() int { return len(r.tables) }

// TableFor is the number of the table that is valid for a window, 0 being the
// newest.
func (r *Ring) TableFor(w counting.Window) int {
	for i, t := range r.tables {
		if t.from <= w {
			return i
		}
	}
	return len(r.tables) - 1
}

// IDOwner is the index of the member that collects an id by a table, and the
// epoch that names the table.
func (r *Ring) IDOwner(id counting.ID, tableNumber int) (int, counting.Epoch) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	t := &r.tables[tableNumber]
	return int(t.owners[xxh3.HashSeed(b[:], r.seed)>>(64-arcBits)]), t.epoch
}

// IDTable is the epoch of the table that is valid for a window.
func (r *Ring) IDTable(w counting.Window) counting.Epoch { return r.tables[r.TableFor(w)].epoch }

// Home is the index of the member whose Ledger has the window's entry, from its
// first claim on: by the window's table, but the first active one where that
// member is lost.
func (r *Ring) HomeIndex(w counting.Window) int {
	home := int(r.tables[r.TableFor(w)].owners[r.Arc(counting.Page(r.length.Name(w)))])
	if r.members[home].State != Lost {
		return home
	}
	return slices.IndexFunc(r.members, func(m Member) bool { return m.State == Active })
}

// Loses tells whether a lost member has a part of a window's ids, or its entry.
func (r *Ring) Loses(w counting.Window) bool {
	for _, o := range r.tables[r.TableFor(w)].owners {
		if r.members[o].State == Lost {
			return true
		}
	}
	return false
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

// IDTable says which table ids go by from a window on, until the next later one.
type IDTable struct {
	Epoch counting.Epoch
	From  counting.Window
}

// IDTables are the tables by which ids may be routed, newest first; the last
// one is valid for all windows before, too.
func (r *Ring) IDTables() []IDTable {
	all := make([]IDTable, len(r.tables))
	for i, t := range r.tables {
		all[i] = IDTable{Epoch: t.epoch, From: t.from}
	}
	return all
}
