package conformance

import (
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

func once(name string) counting.RequestKey {
	k, err := counting.ParseKey(name)
	if err != nil {
		panic(err)
	}
	return counting.RequestKey{Key: k, Print: counting.FingerprintOf("test", []byte("payload"))}
}

// other is the same key with another payload.
func other(o counting.RequestKey) counting.RequestKey {
	o.Print = counting.FingerprintOf("test", []byte("other"))
	return o
}

func keyed(o counting.RequestKey, v counting.Visit) counting.KeyedVisit {
	return counting.KeyedVisit{Visit: v, RequestKey: o}
}

// keyBatch is the next one of the stand's session.
func (s *stand) keyBatch(items ...counting.KeyedVisit) *counting.Batch {
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
	b.Keyed, b.KeyLimit = []counting.KeyedVisit{keyed(once("a"), s.visit("home", 1)), keyed(once("b"), s.visit("full", 1))}, 10
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
	got, err := s.node.RingSummary(t.Context())
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
