package sharding_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

const minute = counting.WindowLength(time.Minute)

// equalMembers are n members of weight 1.
func equalMembers(n int) []sharding.Member {
	members := make([]sharding.Member, n)
	for i := range members {
		members[i] = member(fmt.Sprintf("n%04d", i), 1)
	}
	return members
}

func member(id string, weight int) sharding.Member {
	return sharding.Member{ID: counting.NodeID(id), Addr: id + ":6379", Weight: weight}
}

func newRing(t testing.TB, members ...sharding.Member) *sharding.Ring {
	t.Helper()
	return check.Value(sharding.New("d1", 20261122, minute, "first", members))(t)
}

// counts are the numbers of arcs that the members own.
func counts(r *sharding.Ring) []int {
	n := make([]int, len(r.Members()))
	for arc := range sharding.Arcs {
		n[r.Owner(counting.Arc(arc))]++
	}
	return n
}

// V15 of the list of failures: members in any order make the same ring.
func TestMembersInAnyOrderMakeTheSameRing(t *testing.T) {
	members := []sharding.Member{member("a", 3), member("b", 1), member("c", 70), member("d", 7)}
	want := newRing(t, members...).Encode()
	for range len(members) {
		members = append(members[1:], members[0])
		if !slices.Equal(newRing(t, members...).Encode(), want) {
			t.Errorf("the order %v makes another ring", members)
		}
		reversed := slices.Clone(members)
		slices.Reverse(reversed)
		if !slices.Equal(newRing(t, reversed...).Encode(), want) {
			t.Errorf("the order %v makes another ring", reversed)
		}
	}
}

func TestNewLeavesTheCallersMembersAlone(t *testing.T) {
	members := []sharding.Member{member("b", 1), member("a", 1)}
	r := newRing(t, members...)
	members[0].ID = "z"
	if members[1].State != "" || r.Members()[1].ID != "b" {
		t.Errorf("caller has %v, ring has %v", members, r.Members())
	}
}

func TestARingTellsWhatItWasMadeOf(t *testing.T) {
	r := newRing(t, member("b", 1), member("a", 3))
	if r.Deployment() != "d1" || r.Length() != minute || r.Epoch() != 1 || r.ChangeID() != "first" || r.Tables() != 1 {
		t.Errorf("deployment %q, length %v, epoch %d, change %q, %d tables", r.Deployment(), r.Length(), r.Epoch(), r.ChangeID(), r.Tables())
	}
	if r.Index("a") != 0 || r.Index("b") != 1 || r.Index("c") != -1 || r.Index("") != -1 {
		t.Errorf("indexes %d %d %d", r.Index("a"), r.Index("b"), r.Index("c"))
	}
	if r.Share(0) != 0.75 || r.Share(1) != 0.25 {
		t.Errorf("shares %v and %v, want 3/4 and 1/4", r.Share(0), r.Share(1))
	}
	if moves := r.Moves(); moves != nil {
		t.Errorf("a first ring has %d moves", len(moves))
	}
}

func TestNewRefusesWhatIsNoRing(t *testing.T) {
	for name, c := range map[string]struct {
		members []sharding.Member
		length  time.Duration
		says    string
	}{
		"no member":            {nil, time.Minute, "no node is left"},
		"twice":                {[]sharding.Member{member("a", 1), {ID: "a", Addr: "b", Weight: 1}}, time.Minute, "a is in it twice"},
		"same address":         {[]sharding.Member{member("a", 1), {ID: "b", Addr: "a:6379", Weight: 1}}, time.Minute, "a and b have the same address"},
		"no id":                {[]sharding.Member{{Addr: "b", Weight: 1}}, time.Minute, "needs an id"},
		"no address":           {[]sharding.Member{{ID: "b", Weight: 1}}, time.Minute, "needs an id and an address"},
		"id not UTF-8":         {[]sharding.Member{member("a\xff", 1)}, time.Minute, "not valid UTF-8"},
		"address not UTF-8":    {[]sharding.Member{{ID: "a", Addr: "\xff", Weight: 1}}, time.Minute, "not valid UTF-8"},
		"weight 0":             {[]sharding.Member{member("a", 0)}, time.Minute, "has the weight 0"},
		"negative weight":      {[]sharding.Member{member("a", -1)}, time.Minute, "has the weight -1"},
		"too much weight":      {[]sharding.Member{member("a", sharding.MaxWeight+1)}, time.Minute, "want 1 to 1048576"},
		"too many":             {equalMembers(sharding.MaxMembers + 1), time.Minute, "4097 nodes, the most is 4096"},
		"no length":            {equalMembers(1), 0, "its length is 0s"},
		"part of a second":     {equalMembers(1), 1500 * time.Millisecond, "want whole seconds"},
		"longer than one day":  {equalMembers(1), 25 * time.Hour, "want whole seconds"},
		"length less than one": {equalMembers(1), 1, "want whole seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := sharding.New("d1", 1, counting.WindowLength(c.length), "first", c.members)
			if !errors.Is(err, sharding.ErrBadChange) || r != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got (%v, %v), want an error that says %q", r, err, c.says)
			}
		})
	}
	for _, name := range []string{"d\xff", "ok"} {
		_, err := sharding.New(name, 1, minute, "first\xff", equalMembers(1))
		check.Is(t, err, sharding.ErrBadChange, "deployment %q and change first\\xff", name)
	}
}

func TestTheMostAndHeaviestMembersDoNotOverflow(t *testing.T) {
	members := equalMembers(sharding.MaxMembers)
	for i := range members {
		members[i].Weight = sharding.MaxWeight
	}
	members[7].Weight = 1
	r := newRing(t, members...)
	check.Is(t, check.Err(r.Add(sharding.Change{ID: "more"}, member("more", 1))), sharding.ErrBadChange, "one more than the most")
	for i, n := range counts(r) {
		if quota := sharding.Arcs / sharding.MaxMembers; n != quota && n != quota+1 && i != 7 || i == 7 && n > 1 {
			t.Errorf("member %d of weight %d owns %d arcs", i, members[i].Weight, n)
		}
	}
}

// V16 of the list of failures: the fullest node has hardly more than the mean.
func TestEqualMembersOwnEqualShares(t *testing.T) {
	for n := 3; n <= 100; n++ {
		mean := float64(sharding.Arcs) / float64(n)
		if peak := float64(slices.Max(counts(newRing(t, equalMembers(n)...)))) / mean; peak > 1.0054 {
			t.Errorf("%d members: the fullest owns %.4f of the mean", n, peak)
		}
	}
}

// V16 of the list of failures, counted in pages instead of arcs.
func TestAMillionPagesSpreadEvenly(t *testing.T) {
	wantEven(t, func(r *sharding.Ring, i int) int {
		return r.Owner(r.Arc(counting.Page(fmt.Sprintf("/articles/%d", i))))
	})
}

func TestAMillionIDsSpreadEvenly(t *testing.T) {
	wantEven(t, func(r *sharding.Ring, i int) int {
		owner, _ := r.IDOwner(counting.ID(i), 0)
		return owner
	})
}

// wantEven spreads a million items over 100 nodes.
func wantEven(t *testing.T, owner func(r *sharding.Ring, i int) int) {
	t.Helper()
	const nodes, items = 100, 1_000_000
	r := newRing(t, equalMembers(nodes)...)
	var n [nodes]int
	for i := range items {
		n[owner(r, i)]++
	}
	if fullest := float64(slices.Max(n[:])) / (items / nodes); fullest > 1.04 {
		t.Errorf("the fullest node has %.4f of the mean, want at most 1.04", fullest)
	}
}

func TestAnotherSeedMakesOtherArcs(t *testing.T) {
	a := newRing(t, equalMembers(3)...)
	b := check.Value(sharding.New("d1", 20261123, minute, "first", equalMembers(3)))(t)
	same := 0
	for i := range 10_000 {
		if p := counting.Page(fmt.Sprint(i)); a.Arc(p) == b.Arc(p) {
			same++
		}
	}
	if same > 20 { // 10,000/16,384 are to be expected
		t.Errorf("%d of 10,000 pages have the same arc under two seeds", same)
	}
}
