package conformance

import (
	"fmt"
	"slices"
	"testing"

	"footfall/domain/counting"
)

// leaving opens a node with n keys, and as many visits of a page, in an arc
// that the next ring takes.
func (s *stand) leaving(t *testing.T, n int) (counting.Arc, []counting.RequestKey) {
	t.Helper()
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	var keys []counting.RequestKey
	for i := range n {
		keys = append(keys, once(fmt.Sprint("key ", i)))
		s.apply(t, s.keyBatch(keyed(keys[i], counting.Visit{Arc: arc, Page: "page", Count: 1})))
	}
	s.enter(t, next)
	return arc, keys
}

// fetchKeys checks which keys a claimed arc shows.
func (s *stand) fetchKeys(t *testing.T, arc counting.Arc, want []counting.RequestKey) []counting.StoredKey {
	t.Helper()
	all := make(map[counting.RequestKey]counting.StoredKey)
	last := false
	for cursor, again := "", true; again; again = cursor != "" {
		chunk, next, err := s.moves().Fetch(t.Context(), s.ring.Table(), arc, cursor)
		must(t, err)
		if last && len(chunk.Keys) > 0 {
			t.Fatalf("%d keys follow the last ones", len(chunk.Keys))
		}
		if last = last || chunk.LastKeys; !last && len(chunk.Pages) > 0 {
			t.Fatalf("pages come before the last keys")
		}
		for _, k := range chunk.Keys {
			all[k.RequestKey] = k
		}
		cursor = next
	}
	equal(t, "all keys came", last, len(want) > 0)
	var kept []counting.StoredKey
	for _, o := range want {
		k, ok := all[o]
		if !ok {
			t.Fatalf("key %x is not shown", o.Key)
		}
		kept = append(kept, k)
	}
	equal(t, "number of keys", len(all), len(want))
	return kept
}

func keysOfClaimed(t *testing.T, s *stand) {
	for _, n := range []int{1, 700} {
		arc, keys := s.leaving(t, n)
		_, _, err := s.moves().Fetch(t.Context(), s.ring.Table(), arc, "")
		mustBe(t, err, counting.ErrUnfinished)
		s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 1})
		s.fetchKeys(t, arc, keys)
		s.fetchKeys(t, arc, keys)
		must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 1))
		_, _, err = s.moves().Fetch(t.Context(), s.ring.Table(), arc, "")
		mustBe(t, err, counting.ErrUnfinished)
		s.found(t, arc, keys[0], counting.KeyLookup{})
		b := s.keyBatch(keyed(once("new"), s.visit("home", 1)))
		b.KeyLimit = 1 // those that are gone don't count
		s.apply(t, b)
	}
}

func keysWithoutPages(t *testing.T, s *stand) {
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	s.apply(t, s.keyBatch(keyed(once("a"), counting.Visit{Arc: arc, Page: "page"})))
	s.enter(t, next)
	for range 2 {
		s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen})
	}
	s.residue(t, arc, nil)
	s.fetchKeys(t, arc, []counting.RequestKey{once("a")})
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 0))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released})
}

func (s *stand) takeKeys(t *testing.T, arc counting.Arc, closed bool, keys ...counting.StoredKey) {
	t.Helper()
	got, err := s.moves().Import(t.Context(), s.ring.Table(), arc, counting.Chunk{Keys: keys, LastKeys: len(keys) == 0})
	must(t, err)
	equal(t, "closed", got.Closed, closed)
}

// kept is a key as a source shows it, of today.
func (s *stand) kept(t *testing.T, o counting.RequestKey) counting.StoredKey {
	t.Helper()
	at := s.length().Start(s.current(t))
	return counting.StoredKey{RequestKey: o, Day: counting.DayOf(at)}
}

func keysTakenIn(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.takeKeys(t, arc, false)
	for range 2 {
		s.takeKeys(t, arc, false, s.kept(t, once("a")), s.kept(t, once("b")))
	}
	v := counting.Visit{Arc: arc, Page: "page", Count: 1}
	s.apply(t, s.keyBatch(keyed(once("a"), v), keyed(other(once("b")), v), keyed(once("c"), v)),
		counting.Refusal{Item: 1, Reason: counting.KeyReused})
	s.live(t, []counting.Visit{v})
	s.takeKeys(t, arc, false, s.kept(t, other(once("c")))) // a known one stays as it is
	s.apply(t, s.keyBatch(keyed(once("c"), v)))
	s.live(t, []counting.Visit{v})
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 0))
	s.takeKeys(t, arc, true, s.kept(t, once("d")))
	s.apply(t, s.keyBatch(keyed(once("a"), v), keyed(once("d"), v)))
	v.Count = 2
	s.live(t, []counting.Visit{v})
}

func keysTakenInPassLimit(t *testing.T, s *stand) {
	arc := s.destination(t)
	v := counting.Visit{Arc: arc, Page: "page", Count: 1}
	apply := func(name string, limit int, want ...counting.Refusal) {
		t.Helper()
		b := s.keyBatch(keyed(once(name), v))
		b.KeyLimit = limit
		s.apply(t, b, want...)
	}
	apply("a", 1)
	s.takeKeys(t, arc, false, s.kept(t, once("b")), s.kept(t, once("c")))
	s.wantKeys(t, 3)
	apply("b", 1)
	apply("d", 3, counting.Refusal{Item: 0, Reason: counting.KeyLimit})
	apply("d", 4)
}

func keysElsewhere(t *testing.T, s *stand) {
	arc := s.destination(t)
	stays := arc
	for slices.Contains(s.ring.Incoming(s.node.ID()), stays) {
		stays++
	}
	s.takeKeys(t, stays, true, s.kept(t, once("a")))
	v := counting.Visit{Arc: stays, Page: "page", Count: 1}
	s.apply(t, s.keyBatch(keyed(once("a"), v)))
	s.live(t, []counting.Visit{v})
}

// found checks what the node has of a key.
func (s *stand) found(t *testing.T, arc counting.Arc, o counting.RequestKey, want counting.KeyLookup) {
	t.Helper()
	got, err := s.moves().FindKeys(t.Context(), s.ring.Epoch(), []counting.LocatedKey{{Arc: arc, Key: once("unknown").Key}, {Arc: arc, Key: o.Key}})
	must(t, err)
	equal(t, "number of answers", len(got), 2)
	equal(t, "an unknown key", got[0], counting.KeyLookup{})
	equal(t, "the key", got[1], want)
}

func keysFound(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 1)
	want := counting.KeyLookup{Stored: true, Print: keys[0].Print}
	s.found(t, arc, keys[0], want)
	s.found(t, arc+1, keys[0], counting.KeyLookup{})
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 1})
	s.found(t, arc, keys[0], want)
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 1))
	s.found(t, arc, keys[0], counting.KeyLookup{})
}

func keysOfEpoch(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 1)
	at := []counting.LocatedKey{{Arc: arc, Key: keys[0].Key}}
	epoch := s.ring.Epoch()
	_, err := s.moves().FindKeys(t.Context(), epoch-1, at)
	mustBe(t, err, counting.ErrStale)
	_, err = s.moves().FindKeys(t.Context(), epoch+1, at)
	mustBe(t, err, counting.ErrAhead)
	s.fence(t, s.nextRing(t, "third", s.current(t)+2))
	_, err = s.moves().FindKeys(t.Context(), epoch, at)
	mustBe(t, err, counting.ErrStale)
}
