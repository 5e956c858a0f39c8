package conformance

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func ringCases() []testCase {
	return []testCase{
		{"an empty node knows nothing", standingOfEmpty},
		{"a fence is kept and opens nothing", fenceIsKept},
		{"opening the fenced ring ends the change", openEndsChange},
		{"a fence and an opening may be repeated", ringCallsRepeat},
		{"a fence below the last is stale", staleFence},
		{"of two changes to one epoch the first wins", fenceConflict},
		{"of many changes at once one wins", fenceAtOnce},
		{"a ring that the node isn't fenced for can't be opened", openUnfenced},
		{"a fence answers with the current window", fenceSaysWindow},
		{"a fence answers with no sealed window", fenceSaysUnsealedWindow},
		{"a fenced node keeps its windows open", fencedNodeHasWindows},
		{"a node of another deployment is another", otherDeployment},
		{"a node under another id is another", impostor},
	}
}

func (s *stand) standing(t *testing.T, fenced, opened *sharding.Ring) {
	t.Helper()
	got, err := s.node.RingState(t.Context())
	must(t, err)
	for _, c := range []struct {
		what      string
		got, want *sharding.Ring
	}{{"fenced", got.Fenced, fenced}, {"opened", got.Opened, opened}} {
		if (c.got == nil) != (c.want == nil) || c.got != nil && !bytes.Equal(c.got.Encode(), c.want.Encode()) {
			t.Fatalf("%s ring: got %v, want %v", c.what, describe(c.got), describe(c.want))
		}
	}
}

func describe(r *sharding.Ring) string {
	if r == nil {
		return "none"
	}
	return r.ChangeID()
}

func standingOfEmpty(t *testing.T, s *stand) {
	n := s.empty(t)
	_, err := n.RingState(t.Context())
	mustBe(t, err, counting.ErrUninitialized)
}

func fenceIsKept(t *testing.T, s *stand) {
	n := s.empty(t)
	first := s.newRing(t, "first")
	_, err := n.Fence(t.Context(), first)
	must(t, err)
	s.standing(t, first, nil)
	s.ring = first
	s.refused(t, s.batch(s.visit("home", 1)), counting.ErrAhead)
	s.enter(t, first)
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err = n.Fence(t.Context(), next)
	must(t, err)
	s.standing(t, next, first)
}

func openEndsChange(t *testing.T, s *stand) {
	s.open(t)
	s.standing(t, s.ring, s.ring)
	next := s.nextRing(t, "second", s.current(t)+2)
	s.enter(t, next)
	s.standing(t, next, next)
}

func ringCallsRepeat(t *testing.T, s *stand) {
	n := s.empty(t)
	first := s.newRing(t, "first")
	for range 2 {
		_, err := n.Fence(t.Context(), first)
		must(t, err)
		s.standing(t, first, nil)
	}
	for range 2 {
		must(t, n.Open(t.Context(), first))
		s.standing(t, first, first)
	}
	_, err := n.Fence(t.Context(), first)
	must(t, err)
	s.standing(t, first, first)
}

func staleFence(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err := n.Fence(t.Context(), next)
	must(t, err)
	_, err = n.Fence(t.Context(), old)
	mustBe(t, err, counting.ErrStale)
	mustBe(t, n.Open(t.Context(), old), counting.ErrStale)
	s.standing(t, next, old)
}

func fenceConflict(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	w := s.current(t) + 2
	won, lost := s.nextRing(t, "won", w), s.nextRing(t, "lost", w)
	_, err := n.Fence(t.Context(), won)
	must(t, err)
	_, err = n.Fence(t.Context(), lost)
	mustBe(t, err, sharding.ErrConflict)
	mustBe(t, n.Open(t.Context(), lost), sharding.ErrConflict)
	s.standing(t, won, old)
	must(t, n.Open(t.Context(), won))
	_, err = n.Fence(t.Context(), lost)
	mustBe(t, err, sharding.ErrConflict)
	s.standing(t, won, won)
}

func fenceAtOnce(t *testing.T, s *stand) {
	n := s.empty(t)
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 6 {
		r := s.newRing(t, "change-"+string(rune('a'+i)))
		all.Go(func() {
			_, err := n.Fence(t.Context(), r)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, sharding.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "changes that won", won.Load(), 1)
}

func openUnfenced(t *testing.T, s *stand) {
	n := s.empty(t)
	mustBe(t, n.Open(t.Context(), s.newRing(t, "first")), sharding.ErrConflict)
	_, err := n.RingState(t.Context())
	mustBe(t, err, counting.ErrUninitialized)
	s.enter(t, s.newRing(t, "first"))
	next := s.nextRing(t, "second", s.current(t)+2)
	mustBe(t, n.Open(t.Context(), next), sharding.ErrConflict)
	s.standing(t, s.ring, s.ring)
}

func fenceSaysWindow(t *testing.T, s *stand) {
	n := s.empty(t)
	first := s.newRing(t, "first")
	w, err := n.Fence(t.Context(), first)
	must(t, err)
	s.enter(t, first)
	if now := s.current(t); s.Advance != nil && now != w || now < w || now > w+1 {
		t.Fatalf("the fence answered with window %d, and the current one is %d", w, now)
	}
	now := s.window(t)
	got, err := n.Fence(t.Context(), s.nextRing(t, "second", now+2))
	must(t, err)
	equal(t, "window of the second fence", got, now)
}

func fenceSaysUnsealedWindow(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.pass(t, w)
	s.seal(t, w)
	s.elapse(t, -4*time.Duration(s.length()))
	got, err := n.Fence(t.Context(), s.nextRing(t, "second", w+3))
	must(t, err)
	equal(t, "window", got, w+1)
}

func fencedNodeHasWindows(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.arrive(t, 1, 2)
	_, err := n.Fence(t.Context(), s.nextRing(t, "second", w+2))
	must(t, err)
	s.distinct(t, w, 2)
	s.pass(t, w)
	equal(t, "sealed number", s.seal(t, w), 2)
	s.advance(t, w, s.claim(t, w, "a"), counting.Record(2))
}

func otherDeployment(t *testing.T, s *stand) {
	n := s.open(t)
	members := []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}
	r, err := sharding.New("elsewhere", 7, s.length(), "first", members)
	must(t, err)
	_, err = n.Fence(t.Context(), r)
	mustBe(t, err, counting.ErrWrongNode)
	mustBe(t, n.Open(t.Context(), r), counting.ErrWrongNode)
	r, err = r.Add(sharding.Change{ID: "second"}, sharding.Member{ID: "stranger", Addr: "stranger", Weight: 1})
	must(t, err)
	_, err = n.Fence(t.Context(), r)
	mustBe(t, err, counting.ErrWrongNode)
	s.standing(t, s.ring, s.ring)
}

func impostor(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.Impostor != nil, "its id can't be another")
	s.apply(t, s.batch(s.visit("home", 1)))
	w := s.current(t)
	s.node = s.Impostor(t, n)
	s.failEverywhere(t, s.node, w, counting.ErrWrongNode)
	s.node = n
	s.visits(t, "home", 1)
}
