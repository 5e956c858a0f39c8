package sharding

import "footfall/domain/counting"

// balance computes in exact integers how far members are from their quotas. With
// MaxMembers of MaxWeight no product exceeds 2^46.
type balance struct {
	owners *[Arcs]uint16
	count  []int64
	weight []int64
	total  int64
}

// balance is the balance of a table's owners, which take and give change.
func (r *Ring) balance(owners *[Arcs]uint16) *balance {
	b := &balance{owners: owners, count: make([]int64, len(r.members)), weight: make([]int64, len(r.members))}
	for i, m := range r.members {
		if m.State == Active {
			b.weight[i] = int64(m.Weight)
			b.total += int64(m.Weight)
		}
	}
	for _, o := range owners {
		b.count[o]++
	}
	return b
}

// deficit is how many arcs member i lacks, times total.
func (b *balance) deficit(i int) int64 { return Arcs*b.weight[i] - b.count[i]*b.total }

// neediest is the member with the largest deficit, the first of equals.
func (b *balance) neediest() int {
	best := -1
	for i := range b.count {
		if b.weight[i] > 0 && (best < 0 || b.deficit(i) > b.deficit(best)) {
			best = i
		}
	}
	return best
}

// richest is the member other than i with the largest surplus, the first of equals.
func (b *balance) richest(i int) int {
	best := -1
	for j := range b.count {
		if j != i && b.count[j] > 0 && (best < 0 || b.deficit(j) < b.deficit(best)) {
			best = j
		}
	}
	return best
}

// take moves arcs to member i, each from the member with the largest surplus, while i
// has too few and the move brings both nearer to their quotas in sum.
func (b *balance) take(i int) {
	want := make([]int64, len(b.count)) // arcs to take from each
	for b.deficit(i) > 0 {
		richest := b.richest(i)
		if b.deficit(i)-b.deficit(richest) <= b.total {
			break
		}
		want[richest]++
		b.count[richest]--
		b.count[i]++
	}
	for arc, o := range b.owners {
		if want[o] > 0 {
			want[o]--
			b.owners[arc] = uint16(i)
		}
	}
}

// give moves arcs from member i, each to the member with the largest deficit. It moves
// all if i has no weight, and otherwise while i has too many and the move brings both
// nearer to their quotas in sum.
func (b *balance) give(i int) {
	for arc, o := range b.owners {
		if int(o) != i {
			continue
		}
		to := b.neediest()
		if b.weight[i] > 0 && (b.deficit(i) >= 0 || b.deficit(to)-b.deficit(i) <= b.total) {
			return
		}
		b.move(counting.Arc(arc), to)
	}
}

// move gives an arc to another member.
func (b *balance) move(arc counting.Arc, to int) {
	b.count[b.owners[arc]]--
	b.count[to]++
	b.owners[arc] = uint16(to)
}
