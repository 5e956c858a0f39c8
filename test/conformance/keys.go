package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
)

func keyCases() []testCase {
	return []testCase{
		{"visits with a key are added once", keyedOnce},
		{"a key is known in other sessions and epochs", keyedElsewhere},
		{"the same key with another payload is refused alone", keyReused},
		{"a key belongs to its arc", keyOfArc},
		{"a key without visits is kept alone", keyAlone},
		{"a key in one batch twice counts once", keyTwiceInBatch},
		{"what could not be added leaves no key", keyOfRefused},
		{"refusals of what is keyed follow the others", keyedIndexes},
		{"beyond the limit a new key is refused and a known one is not", keyLimit},
		{"the keys that count for the limit are told", keysAreTold},
		{"a key survives", keySurvives},
		{"a key is kept for a day and forgotten after two", keyIsForgotten},
		{"a forgotten key makes room", forgottenMakesRoom},
		{"a clock that is set back forgets no key", keyAndClockBack},
		{"a claimed arc shows its keys until it is retired", keysOfClaimed},
		{"an arc with keys alone is not gone at once", keysWithoutPages},
		{"keys that are taken in are known", keysTakenIn},
		{"keys that are taken in pass the limit and count for it", keysTakenInPassLimit},
		{"an arc that isn't coming takes no keys", keysElsewhere},
		{"keys of arcs that leave are found where they are", keysFound},
		{"keys are found in the node's epoch alone", keysOfEpoch},
	}
}

func once(name string) counting.Once {
	k, err := counting.ParseKey(name)
	if err != nil {
		panic(err)
	}
	return counting.Once{Key: k, Print: counting.PrintOf("test", []byte("payload"))}
}

// other is the same key with another payload.
func other(o counting.Once) counting.Once {
	o.Print = counting.PrintOf("test", []byte("other"))
	return o
}

func keyed(o counting.Once, v counting.Visit) counting.Keyed {
	return counting.Keyed{Visit: v, Once: o}
}

// keyBatch is the next one of the stand's session.
func (s *stand) keyBatch(items ...counting.Keyed) *counting.Batch {
	b := s.batch()
	b.Keyed, b.KeyLimit = items, 1000
	return b
}

func keyedOnce(t *testing.T, s *stand) {
	s.open(t)
	b := s.keyBatch(keyed(once("a"), s.visit("home", 3)), keyed(once("b"), s.visit("home", 4)))
	s.apply(t, b)
	s.duplicate(t, b)
	for range 3 {
		s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 3))))
	}
	s.visits(t, "home", 7)
}

func keyedElsewhere(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.enter(t, s.nextRing(t, "second", s.current(t)+2))
	b := s.keyBatch(keyed(once("a"), s.visit("home", 1)))
	b.Session, b.Seq = "session-b", 1
	s.apply(t, b)
	s.visits(t, "home", 1)
}

func keyReused(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	b := s.keyBatch(keyed(other(once("a")), s.visit("home", 1)), keyed(once("b"), s.visit("home", 10)))
	s.apply(t, b, counting.Refusal{Item: 0, Reason: counting.KeyReused})
	s.duplicate(t, b, counting.Refusal{Item: 0, Reason: counting.KeyReused})
	s.visits(t, "home", 11)
}

func keyOfArc(t *testing.T, s *stand) {
	s.open(t)
	v := s.visit("home", 1)
	elsewhere := v
	elsewhere.Arc++
	elsewhere.Page = "elsewhere"
	s.apply(t, s.keyBatch(keyed(once("a"), v), keyed(once("a"), elsewhere)))
	s.live(t, []counting.Visit{v, elsewhere})
}

func keyAlone(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 0))))
	s.visits(t, "home", 0)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 0)), keyed(other(once("a")), s.visit("home", 0))),
		counting.Refusal{Item: 1, Reason: counting.KeyReused})
}

func keyTwiceInBatch(t *testing.T, s *stand) {
	s.open(t)
	v := s.visit("home", 1)
	s.apply(t, s.keyBatch(keyed(once("a"), v), keyed(once("a"), v), keyed(other(once("a")), v)),
		counting.Refusal{Item: 2, Reason: counting.KeyReused})
	s.visits(t, "home", 1)
}

func keyOfRefused(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most)))
	for range 2 { // with a key that was kept the second one would be applied
		s.apply(t, s.keyBatch(keyed(once("a"), s.visit("full", 1))), counting.Refusal{Item: 0, Reason: counting.Overflow})
	}
	s.apply(t, s.keyBatch(keyed(other(once("a")), s.visit("full", 0))))
	if s.CorruptPage == nil {
		return
	}
	s.CorruptPage(t, s.node, s.at("bad"))
	for range 2 {
		s.apply(t, s.keyBatch(keyed(once("b"), s.visit("bad", 1))), counting.Refusal{Item: 0, Reason: counting.Corrupt})
	}
}

func keyedIndexes(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most)))
	b := s.idBatch(s.arrival(1, ""), s.arrival(2, "http://a.example/"))
	b.Visits = []counting.Visit{s.visit("home", 1), s.visit("full", 1)}
	b.EndpointLimit = 0
	b.Keyed, b.KeyLimit = []counting.Keyed{keyed(once("a"), s.visit("home", 1)), keyed(once("b"), s.visit("full", 1))}, 10
	want := []counting.Refusal{
		{Item: 1, Reason: counting.Overflow}, {Item: 3, Reason: counting.EndpointLimit}, {Item: 5, Reason: counting.Overflow},
	}
	s.apply(t, b, want...)
	s.duplicate(t, b, want...)
	s.visits(t, "home", 2)
}

func keyLimit(t *testing.T, s *stand) {
	s.open(t)
	b := s.keyBatch(keyed(once("a"), s.visit("home", 1)), keyed(once("b"), s.visit("about", 1)), keyed(once("c"), s.visit("home", 1)))
	b.KeyLimit = 2
	s.apply(t, b, counting.Refusal{Item: 2, Reason: counting.KeyLimit})
	b = s.keyBatch(keyed(once("a"), s.visit("home", 1)), keyed(once("d"), s.visit("home", 1)))
	b.KeyLimit = 2
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.KeyLimit})
	b = s.keyBatch(keyed(once("d"), s.visit("home", 1)))
	b.KeyLimit = 3
	s.apply(t, b)
	s.visits(t, "home", 2)
}

// wantKeys wants the pulse to tell so many keys.
func (s *stand) wantKeys(t *testing.T, want int) {
	t.Helper()
	got, err := s.node.Pulse(t.Context())
	must(t, err)
	equal(t, "keys in the pulse", got.Keys, want)
}

func keysAreTold(t *testing.T, s *stand) {
	s.open(t)
	s.wantKeys(t, 0)
	b := s.keyBatch(keyed(once("a"), s.visit("home", 1)), keyed(once("b"), s.visit("home", 0)), keyed(once("c"), s.visit("home", 1)))
	b.KeyLimit = 2
	s.apply(t, b, counting.Refusal{Item: 2, Reason: counting.KeyLimit})
	s.wantKeys(t, 2)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1)), keyed(other(once("b")), s.visit("home", 1))),
		counting.Refusal{Item: 1, Reason: counting.KeyReused})
	s.wantKeys(t, 2)
	s.later(t, day)
	s.apply(t, s.keyBatch(keyed(once("d"), s.visit("home", 1))))
	s.wantKeys(t, 3)
	s.later(t, day)
	s.wantKeys(t, 1)
	s.later(t, day)
	s.wantKeys(t, 0)
}

func keySurvives(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.node = s.Reopen(t, n)
	b := s.keyBatch(keyed(once("a"), s.visit("home", 1)), keyed(once("b"), s.visit("home", 1)))
	b.KeyLimit = 1
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.KeyLimit})
	s.visits(t, "home", 1)
}

func keyIsForgotten(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.later(t, day)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.visits(t, "home", 1)
	s.later(t, day)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.visits(t, "home", 2)
	s.later(t, 6*day)
	s.apply(t, s.keyBatch(keyed(other(once("a")), s.visit("home", 1))))
	s.visits(t, "home", 3)
}

func forgottenMakesRoom(t *testing.T, s *stand) {
	s.open(t)
	apply := func(name string, want ...counting.Refusal) {
		t.Helper()
		b := s.keyBatch(keyed(once(name), s.visit("home", 1)))
		b.KeyLimit = 1
		s.apply(t, b, want...)
	}
	apply("a")
	s.later(t, day)
	apply("b", counting.Refusal{Item: 0, Reason: counting.KeyLimit})
	s.later(t, day)
	apply("b")
}

func keyAndClockBack(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.elapse(t, -day+time.Minute)
	s.apply(t, s.keyBatch(keyed(once("a"), s.visit("home", 1))))
	s.visits(t, "home", 1)
}

// leaving opens a node with n keys, and as many visits of a page, in an arc
// that the next ring takes.
func (s *stand) leaving(t *testing.T, n int) (counting.Arc, []counting.Once) {
	t.Helper()
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	var keys []counting.Once
	for i := range n {
		keys = append(keys, once(fmt.Sprint("key ", i)))
		s.apply(t, s.keyBatch(keyed(keys[i], counting.Visit{Arc: arc, Page: "page", Count: 1})))
	}
	s.enter(t, next)
	return arc, keys
}

// fetchKeys checks which keys a claimed arc shows.
func (s *stand) fetchKeys(t *testing.T, arc counting.Arc, want []counting.Once) []counting.KeptKey {
	t.Helper()
	all := make(map[counting.Once]counting.KeptKey)
	for cursor, again := "", true; again; again = cursor != "" {
		keys, next, err := s.node.FetchKeys(t.Context(), s.ring.Table(), arc, cursor)
		must(t, err)
		for _, k := range keys {
			all[k.Once] = k
		}
		cursor = next
	}
	var kept []counting.KeptKey
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
		_, _, err := s.node.FetchKeys(t.Context(), s.ring.Table(), arc, "")
		mustBe(t, err, counting.ErrUnfinished)
		s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 1})
		s.fetchKeys(t, arc, keys)
		s.fetchKeys(t, arc, keys)
		must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 1))
		_, _, err = s.node.FetchKeys(t.Context(), s.ring.Table(), arc, "")
		mustBe(t, err, counting.ErrUnfinished)
		s.found(t, arc, keys[0], counting.Found{})
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
		s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen})
	}
	s.residue(t, arc, nil)
	s.fetchKeys(t, arc, []counting.Once{once("a")})
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 0))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Gone})
}

func (s *stand) takeKeys(t *testing.T, arc counting.Arc, closed bool, keys ...counting.KeptKey) {
	t.Helper()
	got, err := s.node.TakeKeys(t.Context(), s.ring.Table(), arc, keys)
	must(t, err)
	equal(t, "closed", got, closed)
}

// kept is a key as a source shows it, of today.
func (s *stand) kept(t *testing.T, o counting.Once) counting.KeptKey {
	t.Helper()
	at := s.length().Start(s.current(t))
	return counting.KeptKey{Once: o, Day: counting.DayOf(at)}
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
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 0))
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
	for slices.Contains(s.ring.Coming(s.node.ID()), stays) {
		stays++
	}
	s.takeKeys(t, stays, true, s.kept(t, once("a")))
	v := counting.Visit{Arc: stays, Page: "page", Count: 1}
	s.apply(t, s.keyBatch(keyed(once("a"), v)))
	s.live(t, []counting.Visit{v})
}

// found checks what the node has of a key.
func (s *stand) found(t *testing.T, arc counting.Arc, o counting.Once, want counting.Found) {
	t.Helper()
	got, err := s.node.FindKeys(t.Context(), s.ring.Epoch(), []counting.LocatedKey{{Arc: arc, Key: once("unknown").Key}, {Arc: arc, Key: o.Key}})
	must(t, err)
	equal(t, "number of answers", len(got), 2)
	equal(t, "an unknown key", got[0], counting.Found{})
	equal(t, "the key", got[1], want)
}

func keysFound(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 1)
	want := counting.Found{Kept: true, Print: keys[0].Print}
	s.found(t, arc, keys[0], want)
	s.found(t, arc+1, keys[0], counting.Found{})
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 1})
	s.found(t, arc, keys[0], want)
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 1))
	s.found(t, arc, keys[0], counting.Found{})
}

func keysOfEpoch(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 1)
	at := []counting.LocatedKey{{Arc: arc, Key: keys[0].Key}}
	epoch := s.ring.Epoch()
	_, err := s.node.FindKeys(t.Context(), epoch-1, at)
	mustBe(t, err, counting.ErrStale)
	_, err = s.node.FindKeys(t.Context(), epoch+1, at)
	mustBe(t, err, counting.ErrAhead)
	s.fence(t, s.nextRing(t, "third", s.current(t)+2))
	_, err = s.node.FindKeys(t.Context(), epoch, at)
	mustBe(t, err, counting.ErrStale)
}
