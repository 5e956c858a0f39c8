package sharding_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// step is a change of a ring and the member that it names.
type step struct {
	kind string
	id   counting.NodeID
}

// drawStep makes a random change that must succeed. weight gives the weights.
func drawStep(t *rapid.T, r *sharding.Ring, n int, weight *rapid.Generator[int]) (*sharding.Ring, step) {
	c := sharding.Change{ID: fmt.Sprint("change ", n), From: counting.Window(10 * n), Oldest: counting.Window(10*n - rapid.IntRange(0, 40).Draw(t, "age"))}
	var active []counting.NodeID
	for _, m := range r.Members() {
		if m.State == sharding.Active {
			active = append(active, m.ID)
		}
	}
	kinds := []string{"add", "reweight"}
	if len(active) > 1 {
		kinds = append(kinds, "remove")
	}
	s := step{kind: rapid.SampledFrom(kinds).Draw(t, "kind"), id: rapid.SampledFrom(active).Draw(t, "member")}
	var err error
	switch s.kind {
	case "add":
		// The number at the end makes it new, the one before it random.
		s.id = counting.NodeID(fmt.Sprintf("n%02d_%d", rapid.IntRange(0, 99).Draw(t, "place"), n))
		r, err = r.Add(c, member(string(s.id), weight.Draw(t, "weight")))
	case "reweight":
		r, err = r.Reweight(c, s.id, weight.Draw(t, "weight"))
	case "remove":
		r, err = r.Remove(c, s.id)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", s.kind, s.id, err)
	}
	return r, s
}

func drawRing(t *rapid.T, weight *rapid.Generator[int]) *sharding.Ring {
	members := make([]sharding.Member, rapid.IntRange(1, 12).Draw(t, "members"))
	for i := range members {
		members[i] = member(fmt.Sprintf("m%02d", i), weight.Draw(t, "weight"))
	}
	r, err := sharding.New("d1", rapid.Uint64().Draw(t, "seed"), minute, "first", members)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// anyWeight draws small weights, large ones and all between.
func anyWeight() *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 1000), rapid.IntRange(1, sharding.MaxWeight), rapid.Just(sharding.MaxWeight))
}

// drift is the largest distance of a count from its quota, in arcs.
func drift(r *sharding.Ring) float64 {
	total, worst := 0.0, 0.0
	for _, m := range r.Members() {
		total += float64(m.Weight)
	}
	for i, n := range counts(r) {
		quota := sharding.Arcs * float64(r.Members()[i].Weight) / total
		worst = max(worst, float64(n)-quota, quota-float64(n))
	}
	return worst
}

// offQuota tells whether a member's arcs are not its quota rounded up or down.
func offQuota(r *sharding.Ring, id counting.NodeID) bool {
	total := int64(0)
	for _, m := range r.Members() {
		total += int64(m.Weight)
	}
	i := r.Index(id)
	off := int64(counts(r)[i])*total - sharding.Arcs*int64(r.Members()[i].Weight)
	return off <= -total || off >= total
}

func TestAnyHistoryMovesWhatItMustAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := anyWeight()
		r := drawRing(t, weight)
		for n := range rapid.IntRange(1, 10).Draw(t, "changes") {
			before := r
			var s step
			r, s = drawStep(t, r, n, weight)
			checkStep(t, before, r, s)
			if d := drift(r); d >= 4 {
				t.Fatalf("a member is %.2f arcs off its quota", d)
			}
		}
	})
}

// checkStep compares the tables before and after a change.
func checkStep(t *rapid.T, before, after *sharding.Ring, s step) {
	if after.Epoch() != before.Epoch()+1 {
		t.Fatalf("epoch %d follows %d", after.Epoch(), before.Epoch())
	}
	index := make([]int, len(before.Members())) // in after, of the members before
	for i, m := range before.Members() {
		index[i] = after.Index(m.ID)
	}
	named, moves := after.Index(s.id), after.Moves()
	took, gave := 0, 0
	for arc := range counting.Arc(sharding.Arcs) {
		from, to := index[before.Owner(arc)], after.Owner(arc)
		if m := after.Members()[to]; m.State != sharding.Active {
			t.Fatalf("arc %d belongs to %s, which is %s", arc, m.ID, m.State)
		}
		if from == to {
			continue
		}
		switch named {
		case to:
			took++
		case from:
			gave++
		default:
			t.Fatalf("%s %s moves arc %d from member %d to %d", s.kind, s.id, arc, from, to)
		}
		if want := (sharding.Move{Arc: arc, From: from, To: to}); len(moves) == 0 || moves[0] != want {
			t.Fatalf("%+v has happened, and Moves goes on with %+v", want, moves[:min(1, len(moves))])
		}
		moves = moves[1:]
	}
	switch {
	case len(moves) > 0:
		t.Fatalf("Moves has %v, which did not move", moves)
	case took > 0 && gave > 0:
		t.Fatalf("%s %s takes %d arcs and gives %d", s.kind, s.id, took, gave)
	case s.kind == "remove" && after.Share(after.Index(s.id)) != 0:
		t.Fatalf("%s was removed and has arcs", s.id)
	case s.kind != "remove" && offQuota(after, s.id):
		t.Fatalf("%s %s leaves it off its quota", s.kind, s.id)
	}
}

func TestEqualWeightsStayExactAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.Just(anyWeight().Draw(t, "the weight"))
		r := drawRing(t, weight)
		for n := range rapid.IntRange(1, 10).Draw(t, "changes") {
			r, _ = drawStep(t, r, n, weight)
			if d := drift(r); d >= 1 {
				t.Fatalf("a member is %.2f arcs off its quota", d)
			}
		}
	})
}

func TestALongRandomHistoryDriftsByLessThanOneArc(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := newRing(t, member("first", 1))
	active := []counting.NodeID{"first"}
	for n := range 1000 {
		c := sharding.Change{ID: "long", From: counting.Window(n), Oldest: counting.Window(n)}
		weight := 1 + rng.IntN(1<<rng.IntN(21))
		i := rng.IntN(len(active))
		var err error
		switch k := rng.IntN(3); {
		case k == 0 && len(active) < 60:
			active = append(active, counting.NodeID(fmt.Sprintf("n%d", n)))
			r, err = r.Add(c, member(fmt.Sprintf("n%d", n), weight))
		case k == 1 && len(active) > 1:
			r, err = r.Remove(c, active[i])
			active = append(active[:i], active[i+1:]...)
		default:
			r, err = r.Reweight(c, active[i], weight)
		}
		check.Must(t, err)
		if d := drift(r); d >= 1 {
			t.Fatalf("after %d changes a member is %.3f arcs off its quota", n+1, d)
		}
	}
	if len(r.Members()) > len(active)+1 { // only the last change may have left one
		t.Errorf("%d members for %d that are active", len(r.Members()), len(active))
	}
}

// The table of a window is what was the newest table for it, whatever was
// inserted, forgotten or encoded since.
func TestOldTablesStayRightWhateverComesAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, anyWeight())
		var was []map[counting.ID]counting.NodeID // by epoch-1
		remember := func() {
			owners := make(map[counting.ID]counting.NodeID)
			for id := range counting.ID(100) {
				i, _ := r.IDOwner(id, 0)
				owners[id] = r.Members()[i].ID
			}
			was = append(was, owners)
		}
		remember()
		for n := range rapid.IntRange(1, 6).Draw(t, "changes") {
			r, _ = drawStep(t, r, n, anyWeight())
			remember()
			if rapid.Bool().Draw(t, "stored") {
				stored, err := sharding.Decode(r.Encode())
				if err != nil {
					t.Fatal(err)
				}
				r = stored
			}
			for number := range r.Tables() {
				for id := range counting.ID(100) {
					i, epoch := r.IDOwner(id, number)
					if got, want := r.Members()[i].ID, was[epoch-1][id]; got != want {
						t.Fatalf("epoch %d: by the table of epoch %d id %d belongs to %s, want %s", r.Epoch(), epoch, id, got, want)
					}
				}
			}
		}
	})
}
