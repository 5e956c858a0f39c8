package sharding_test

import (
	"slices"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// ringOf has a member for each letter.
func ringOf(t *testing.T, letters string) *sharding.Ring {
	t.Helper()
	var members []sharding.Member
	for _, l := range letters {
		members = append(members, member(string(l), 1))
	}
	return newRing(t, members...)
}

func among(letters string) func(counting.NodeID) bool {
	return func(id counting.NodeID) bool { return strings.Contains(letters, string(id)) }
}

func TestWhoDecides(t *testing.T) {
	for _, c := range []struct {
		members, yes string
		want         bool
	}{
		{"a", "a", true},
		{"a", "", false},
		{"ab", "a", true}, // the first of two decides
		{"ab", "b", false},
		{"abc", "ab", true},
		{"abc", "bc", true}, // any of three may be away
		{"abc", "a", false},
		{"abc", "c", false},
		{"abcd", "bcd", true},
		{"abcd", "ab", true}, // the first of an even number has two votes
		{"abcd", "bc", false},
		{"abcd", "a", false},
		{"abcde", "cde", true},
		{"abcde", "ab", false},
		{"abc", "axyz", false}, // strangers have no vote
	} {
		r := ringOf(t, c.members)
		check.Equal(t, r.HasQuorum(r.Propose(r, 0), among(c.yes)), c.want, "%q decide among %q", c.yes, c.members)
	}
}

func TestALostMemberHasNoVote(t *testing.T) {
	r := ringOf(t, "abcd")
	next := must(t)(r.Abandon(sharding.Change{ID: "lost"}, "a"))
	for yes, want := range map[string]bool{"bcd": true, "bc": false, "ab": false, "abc": false} {
		check.Equal(t, r.HasQuorum(next, among(yes)), want, "%q decide to abandon a", yes)
	}
	for yes, want := range map[string]bool{"bc": true, "ab": false, "cd": true} { // three are left
		check.Equal(t, next.HasQuorum(next.Propose(next, 0), among(yes)), want, "%q decide without a", yes)
	}
	pair := ringOf(t, "ab")
	if left := must(t)(pair.Abandon(sharding.Change{ID: "lost"}, "a")); !pair.HasQuorum(left, among("b")) || pair.HasQuorum(left, among("a")) {
		t.Error("the other of two doesn't decide that the first is abandoned")
	}
}

// Any two sets of nodes that decide have a node in common, also where one of
// them gives nodes up, but for the first of two.
func TestTwoThatDecideHaveANodeInCommon(t *testing.T) {
	for n := 1; n <= 6; n++ {
		r := ringOf(t, "abcdef"[:n])
		nexts := []*sharding.Ring{r.Propose(r, 0)}
		for set := 1; set < 1<<n; set++ {
			next, err := r.Abandon(sharding.Change{ID: "lost"}, membersIn(r, set)...)
			if (n != 2 || set != 1) && err == nil {
				nexts = append(nexts, next)
			}
		}
		for _, one := range nexts {
			for set := range 1 << n {
				if !r.HasQuorum(one, inSet(r, set)) {
					continue
				}
				for _, other := range nexts {
					if rest := 1<<n - 1 - set; r.HasQuorum(other, inSet(r, rest)) {
						t.Errorf("of %d nodes, %b and %b decide about %s and %s", n, set, rest, one.ChangeID(), other.ChangeID())
					}
				}
			}
		}
	}
}

func inSet(r *sharding.Ring, set int) func(counting.NodeID) bool {
	return func(id counting.NodeID) bool { return set>>r.Index(id)&1 == 1 }
}

// membersIn are the ids of a set of members.
func membersIn(r *sharding.Ring, set int) (ids []counting.NodeID) {
	for i, m := range r.Members() {
		if set>>i&1 == 1 {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// So many nodes can be abandoned as leave a majority of the votes; of an even
// number the first has two.
func TestAMajorityIsLeftWhenNodesAreAbandoned(t *testing.T) {
	for _, c := range []struct {
		members, lost string
		want          error
	}{
		{"abcde", "de", nil},
		{"abcde", "ab", nil},
		{"abcde", "cde", sharding.ErrMinority},
		{"abcd", "cd", nil},
		{"abcd", "ad", sharding.ErrMinority},
		{"abc", "bc", sharding.ErrMinority},
		{"abc", "abc", sharding.ErrBadChange},
		{"ab", "a", nil}, // the exception
		{"ab", "b", nil},
		{"ab", "ab", sharding.ErrBadChange},
		{"abcde", "dd", sharding.ErrBadChange},
		{"abcde", "dx", sharding.ErrBadChange},
	} {
		r := ringOf(t, c.members)
		var ids []counting.NodeID
		for _, l := range c.lost {
			ids = append(ids, counting.NodeID(l))
		}
		check.Is(t, check.Err(r.Abandon(sharding.Change{ID: "lost"}, ids...)), c.want, "%q of %q are abandoned", c.lost, c.members)
	}
	r := ringOf(t, "abcde")
	next := must(t)(r.Abandon(sharding.Change{ID: "lost"}, "b", "d"))
	if !r.HasQuorum(next, among("ace")) || r.HasQuorum(next, among("acbd")) {
		t.Error("those that are left don't decide alone")
	}
	want := []sharding.Loss{{Node: "b", Epoch: 2}, {Node: "d", Epoch: 2}}
	if !slices.Equal(next.Losses(), want) || len(r.Losses()) > 0 || drift(next) >= 1 {
		t.Errorf("losses %v, drift %v", next.Losses(), drift(next))
	}
}

func TestAProposalIsTheSameRingUnderALaterEpoch(t *testing.T) {
	r := ringOf(t, "ab")
	next := must(t)(r.Add(sharding.Change{ID: "add"}, member("c", 1)))
	for _, c := range []struct {
		value *sharding.Ring
		above counting.Epoch
		want  counting.Epoch
	}{{r, 0, 2}, {next, 0, 3}, {next, 7, 8}, {r, 7, 8}} {
		got := r.Propose(c.value, c.above)
		if got.Epoch() != c.want || got.Parent() != 1 || got.ChangeID() != c.value.ChangeID() || got.Table() != c.value.Table() {
			t.Errorf("%s above %d: epoch %d follows %d, change %s, table %d", c.value.ChangeID(), c.above, got.Epoch(), got.Parent(), got.ChangeID(), got.Table())
		}
		if again, err := sharding.Decode(got.Encode()); err != nil || again.ChangeID() != got.ChangeID() {
			t.Errorf("decoded: %v", err)
		}
	}
}

func TestWhatWasApprovedUnderTheHighestEpochIsDue(t *testing.T) {
	r := ringOf(t, "abc")
	next := must(t)(r.Add(sharding.Change{ID: "add"}, member("d", 1)))
	undo := r.Propose(r, 4)
	after := next.Propose(next, 9)
	older := r.Propose(must(t)(r.Add(sharding.Change{ID: "older"}, member("e", 1))), 3)
	for _, c := range []struct {
		name     string
		ring     *sharding.Ring
		approved []*sharding.Ring
		want     string
	}{
		{"nothing", r, []*sharding.Ring{nil, nil}, "first"},
		{"one", r, []*sharding.Ring{nil, next}, "add"},
		{"the undoing after it", r, []*sharding.Ring{next, undo}, "first"},
		{"the change after the undoing", r, []*sharding.Ring{undo, r.Propose(next, 6)}, "add"},
		{"what follows it already", r, []*sharding.Ring{after, nil}, "add"},
		{"what is over", undo, []*sharding.Ring{next, older}, "first"},
	} {
		var all []sharding.RingState
		for _, a := range c.approved {
			all = append(all, sharding.RingState{Accepted: a})
		}
		if got := c.ring.MustPropose(all); got.ChangeID() != c.want {
			t.Errorf("%s: %s is due, want %s", c.name, got.ChangeID(), c.want)
		}
	}
}
