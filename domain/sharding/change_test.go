package sharding_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// must returns the ring of a change that has to succeed.
func must(t testing.TB) func(r *sharding.Ring, err error) *sharding.Ring {
	return func(r *sharding.Ring, err error) *sharding.Ring {
		t.Helper()
		check.Must(t, err)
		return r
	}
}

// V14 of the list of failures: a node added twice, then removed, leaves
// nothing behind.
func TestAddingTwiceIsAnErrorAndRemovingLeavesNothing(t *testing.T) {
	first := newRing(t, equalMembers(3)...)
	added := must(t)(first.Add(sharding.Change{ID: "add"}, member("new", 2)))
	again, err := added.Add(sharding.Change{ID: "again"}, member("new", 2))
	if !errors.Is(err, sharding.ErrBadChange) || again != nil {
		t.Fatalf("adding it again: %v, %v", again, err)
	}
	removed := must(t)(added.Remove(sharding.Change{ID: "remove"}, "new"))
	gone := removed.Index("new")
	for i := range 10_000 {
		if to := removed.Owner(removed.Arc(counting.Page(fmt.Sprint(i)))); to == gone || to >= len(removed.Members()) {
			t.Fatalf("page %d belongs to member %d", i, to)
		}
	}
	if removed.Share(gone) != 0 || removed.Members()[gone].State != sharding.Leaving {
		t.Errorf("the removed node is %+v with a share of %v", removed.Members()[gone], removed.Share(gone))
	}
}

func TestChangesRefuseWhatMakesNoRing(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1))
	leaving := must(t)(first.Remove(sharding.Change{ID: "remove", From: 10}, "b"))
	c := sharding.Change{ID: "bad"}
	for name, change := range map[string]func() (*sharding.Ring, error){
		"add a member":        func() (*sharding.Ring, error) { return first.Add(c, member("a", 1)) },
		"add one that leaves": func() (*sharding.Ring, error) { return leaving.Add(c, member("b", 1)) },
		"add a used address": func() (*sharding.Ring, error) {
			return first.Add(c, sharding.Member{ID: "c", Addr: "a:6379", Weight: 1})
		},
		"add no id":            func() (*sharding.Ring, error) { return first.Add(c, sharding.Member{Addr: "c", Weight: 1}) },
		"add no address":       func() (*sharding.Ring, error) { return first.Add(c, sharding.Member{ID: "c", Weight: 1}) },
		"add no weight":        func() (*sharding.Ring, error) { return first.Add(c, member("c", 0)) },
		"add too much weight":  func() (*sharding.Ring, error) { return first.Add(c, member("c", sharding.MaxWeight+1)) },
		"add not in UTF-8":     func() (*sharding.Ring, error) { return first.Add(c, member("\xc3", 1)) },
		"change not in UTF-8":  func() (*sharding.Ring, error) { return first.Add(sharding.Change{ID: "\xc3"}, member("c", 1)) },
		"remove a stranger":    func() (*sharding.Ring, error) { return first.Remove(c, "c") },
		"remove no id":         func() (*sharding.Ring, error) { return first.Remove(c, "") },
		"remove it twice":      func() (*sharding.Ring, error) { return leaving.Remove(c, "b") },
		"remove the last":      func() (*sharding.Ring, error) { return leaving.Remove(c, "a") },
		"re-weight a stranger": func() (*sharding.Ring, error) { return first.Reweight(c, "c", 1) },
		"re-weight a leaver":   func() (*sharding.Ring, error) { return leaving.Reweight(c, "b", 1) },
		"re-weight to 0":       func() (*sharding.Ring, error) { return first.Reweight(c, "a", 0) },
		"re-weight below 0":    func() (*sharding.Ring, error) { return first.Reweight(c, "a", -1) },
		"re-weight too high":   func() (*sharding.Ring, error) { return first.Reweight(c, "a", sharding.MaxWeight+1) },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := change()
			if !errors.Is(err, sharding.ErrBadChange) || r != nil {
				t.Errorf("got (%v, %v), want ErrBadChange", r, err)
			}
		})
	}
}

func TestAChangeLeavesTheRingBeforeItAlone(t *testing.T) {
	r := newRing(t, member("b", 1), member("c", 2))
	want := r.Encode()
	must(t)(r.Add(sharding.Change{ID: "add"}, member("a", 1)))
	must(t)(r.Reweight(sharding.Change{ID: "weight"}, "b", 9))
	must(t)(r.Remove(sharding.Change{ID: "remove"}, "c"))
	if !slices.Equal(r.Encode(), want) {
		t.Error("the ring has changed")
	}
}

func TestAnAddMovesExactlyTheQuotaOfTheJoiningNode(t *testing.T) {
	r := newRing(t, equalMembers(3)...)
	next := must(t)(r.Add(sharding.Change{ID: "add"}, member("a", 1)))
	moves := next.Moves()
	check.Equal(t, len(moves), sharding.Arcs/4, "the number of arcs that moved")
	for _, m := range moves {
		if next.Members()[m.To].ID != "a" || m.From == m.To || next.Owner(m.Arc) != m.To {
			t.Fatalf("move %+v, the owner is %d", m, next.Owner(m.Arc))
		}
	}
	if !slices.IsSortedFunc(moves, func(a, b sharding.Move) int { return int(a.Arc) - int(b.Arc) }) {
		t.Error("the moves are not in ascending order")
	}
}

func TestAReweightToTheSameWeightMovesNothing(t *testing.T) {
	r := newRing(t, equalMembers(7)...)
	if moves := must(t)(r.Reweight(sharding.Change{ID: "same"}, "n0003", 1)).Moves(); len(moves) != 0 {
		t.Errorf("%d arcs moved", len(moves))
	}
}

// drifted is a ring of a, b and c of equal weights in which they own other
// numbers of arcs than a short history would give them.
func drifted(t *testing.T, a, b int) *sharding.Ring {
	doc := regexp.MustCompile(`"owners":"[^"]*"`).ReplaceAllFunc(newRing(t, member("a", 1), member("b", 1), member("c", 1)).Encode(), func([]byte) []byte {
		owners := make([]byte, 2*sharding.Arcs)
		for arc := range sharding.Arcs {
			switch {
			case arc < a:
			case arc < a+b:
				owners[2*arc] = 1
			default:
				owners[2*arc] = 2
			}
		}
		return fmt.Appendf(nil, `"owners":%q`, base64.StdEncoding.EncodeToString(owners))
	})
	return must(t)(sharding.Decode(doc))
}

// The quota of each is 5461 1/3.
func TestAReweightMovesTheQuotaOnlyEvenWhereOthersHaveDrifted(t *testing.T) {
	for _, c := range []struct{ a, b, want int }{
		{5465, 5458, 5462}, // c has 5461, which is too few
		{5464, 5458, 5461}, // c has 5462, which is too many
		{5471, 5458, 5462}, // c has 5455
		{5465, 5449, 5461}, // c has 5470
	} {
		before := drifted(t, c.a, c.b)
		after := must(t)(before.Reweight(sharding.Change{ID: "same"}, "c", 1))
		had, has := counts(before)[2], counts(after)[2]
		if moved := len(after.Moves()); has != c.want || moved != max(has-had, had-has) {
			t.Errorf("a %d, b %d: c has %d arcs after %d and %d moves, want %d", c.a, c.b, has, had, moved, c.want)
		}
	}
}

// A window's ids go by the newest table that isn't too new for it, and Home
// goes by the same one.
func TestWindowsGoByTheTableOfTheirTime(t *testing.T) {
	one := newRing(t, member("m", 1))
	two := must(t)(one.Add(sharding.Change{ID: "2", From: 10, Oldest: -5}, member("a", 1)))
	three := must(t)(two.Add(sharding.Change{ID: "3", From: 20, Oldest: -5}, member("z", 1)))
	for _, c := range []struct {
		w     counting.Window
		table *sharding.Ring
	}{
		{math.MinInt64, one}, {-1, one}, {0, one}, {9, one}, {10, two}, {19, two}, {20, three}, {21, three}, {math.MaxInt64, three},
	} {
		check.Equal(t, three.IDTable(c.w), c.table.Epoch(), "the epoch of the table of window %d", c.w)
		for id := range counting.ID(200) {
			got, epoch := three.IDOwner(id, three.TableFor(c.w))
			want, _ := c.table.IDOwner(id, 0)
			if epoch != c.table.Epoch() || three.Members()[got].ID != c.table.Members()[want].ID {
				t.Fatalf("window %d, id %d: member %d by epoch %d, want %s by %d", c.w, id, got, epoch, c.table.Members()[want].ID, c.table.Epoch())
			}
		}
	}
	for w := counting.Window(0); w < 30; w++ {
		table := []*sharding.Ring{one, two, three}[w/10]
		want := table.Members()[table.Owner(table.Arc(counting.Page(minute.Name(w))))].ID
		check.Equal(t, three.Members()[three.HomeIndex(w)].ID, want, "the home of window %d", w)
	}
}

func TestTablesGoWhenNoWindowNeedsThem(t *testing.T) {
	r := newRing(t, equalMembers(2)...)
	for _, from := range []counting.Window{10, 20, 30} {
		r = must(t)(r.Add(sharding.Change{ID: "keep", From: from, Oldest: 9}, member(fmt.Sprintf("m%d", from), 1)))
	}
	check.Equal(t, r.Tables(), 4, "tables, as window 9 is not done")
	for _, c := range []struct {
		oldest counting.Window
		want   int
	}{{9, 5}, {10, 4}, {19, 4}, {20, 3}, {29, 3}, {30, 2}, {39, 2}, {40, 2}, {99, 2}} {
		next := must(t)(r.Reweight(sharding.Change{ID: "next", From: 40, Oldest: c.oldest}, "m10", 2))
		check.Equal(t, next.Tables(), c.want, "the number of tables when window %d is the oldest", c.oldest)
		check.Equal(t, next.IDTable(c.oldest), 1+min(4, max(0, counting.Epoch(c.oldest)/10)), "the epoch of the table of window %d", c.oldest)
	}
}

// A node that left is a member while a table of its time is needed; then it
// is forgotten and may come again.
func TestWhoHasLeftIsForgottenWhenItsWindowsAreDone(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1), member("c", 1))
	r = must(t)(r.Remove(sharding.Change{ID: "remove", From: 10, Oldest: 8}, "b"))
	kept := must(t)(r.Reweight(sharding.Change{ID: "early", From: 12, Oldest: 9}, "c", 2))
	if kept.Index("b") < 0 {
		t.Error("it is forgotten though window 9 isn't done")
	}
	check.Is(t, check.Err(r.Add(sharding.Change{ID: "early", From: 12, Oldest: 9}, member("b", 1))), sharding.ErrBadChange, "it comes again though window 9 isn't done")
	gone := must(t)(r.Reweight(sharding.Change{ID: "late", From: 12, Oldest: 10}, "c", 2))
	if gone.Index("b") >= 0 || len(gone.Members()) != 2 {
		t.Errorf("members are %v, want b forgotten", gone.Members())
	}
	for id := range counting.ID(1000) {
		before, _ := r.IDOwner(id, r.TableFor(11))
		after, _ := gone.IDOwner(id, gone.TableFor(11))
		if r.Members()[before].ID != gone.Members()[after].ID {
			t.Fatalf("id %d of window 11 has moved to %s", id, gone.Members()[after].ID)
		}
	}
	back := must(t)(r.Add(sharding.Change{ID: "back", From: 12, Oldest: 10}, member("b", 1)))
	if i := back.Index("b"); i < 0 || back.Members()[i].State != sharding.Active || back.Share(i) < 0.333 {
		t.Errorf("members are %v, want b back", back.Members())
	}
}

// Of a window whose home is lost, the first member that stays keeps the entry.
func TestAWindowWhoseHomeIsLostHasAnother(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1), member("c", 1), member("d", 1))
	r = must(t)(r.Remove(sharding.Change{ID: "remove", From: 100}, "a"))
	lost := must(t)(r.Abandon(sharding.Change{ID: "lost", From: 102}, "c"))
	for w := range counting.Window(100) {
		want := r.Members()[r.HomeIndex(w)].ID
		if want == "c" {
			want = "b" // a is about to leave
		}
		check.Equal(t, lost.Members()[lost.HomeIndex(w)].ID, want, "the home of window %d", w)
	}
}

func TestErrorsNameTheNode(t *testing.T) {
	r := newRing(t, equalMembers(1)...)
	_, err := r.Remove(sharding.Change{ID: "x"}, "redis_7070")
	check.Says(t, err, "redis_7070")
}
