package conformance

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
)

// lease is short where the suite has to wait for its end.
func (s *stand) lease() time.Duration {
	if s.Advance == nil {
		return 300 * time.Millisecond
	}
	return 15 * time.Second
}

// claim claims a window that must be free.
func (s *stand) claim(t *testing.T, w counting.Window, owner string) string {
	t.Helper()
	token, e, err := s.node.Claim(t.Context(), w, owner, s.lease())
	must(t, err)
	equal(t, "window of the entry", e.Window, w)
	if token == "" {
		t.Fatalf("window %d, %s, gave no token", w, e.State)
	}
	return token
}

func claimCases() []testCase {
	return []testCase{
		{"the first claim finds the window open", claimNew},
		{"a window is busy while another owner has it", claimBusy},
		{"a claim is free when its lease is over", claimAfterLease},
		{"the same owner gets a new token and the old one is stale", claimSameOwner},
		{"a renewed lease begins anew", renewLease},
		{"a lease that is over can be renewed while nobody took the window", renewLate},
		{"a claim doesn't touch other windows", claimsAreApart},
		{"a window that is done isn't claimed", claimDone},
		{"a token that was taken over is refused by every change", staleToken},
		{"a window without a claim takes no token", tokenWithoutClaim},
		{"of many owners at once one has the claim", claimAtOnce},
		{"a node without a ring keeps no entries", ledgerUninitialized},
	}
}

func claimNew(t *testing.T, s *stand) {
	n := s.open(t)
	token, e, err := n.Claim(t.Context(), 100, "a", s.lease())
	must(t, err)
	equal(t, "entry", e, counting.Entry{Window: 100, State: counting.Open})
	if token == "" {
		t.Fatal("the token is empty")
	}
}

func claimBusy(t *testing.T, s *stand) {
	n := s.open(t)
	token, _, err := n.Claim(t.Context(), 100, "a", time.Hour)
	must(t, err)
	_, _, err = n.Claim(t.Context(), 100, "b", time.Hour)
	mustBe(t, err, counting.ErrBusy)
	s.advance(t, 100, token, counting.Renew(time.Hour))
}

func claimAfterLease(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.claim(t, 100, "a")
	s.advance(t, 100, old, counting.Record(7))
	s.elapse(t, s.lease())
	token, e, err := n.Claim(t.Context(), 100, "b", time.Hour)
	must(t, err)
	equal(t, "entry", e, counting.Entry{Window: 100, State: counting.Sealed, Count: 7})
	s.refuseStep(t, 100, old, counting.Renew(time.Hour), counting.ErrStaleToken)
	s.advance(t, 100, token, counting.Renew(time.Hour))
	_, _, err = n.Claim(t.Context(), 100, "a", time.Hour)
	mustBe(t, err, counting.ErrBusy)
}

func claimSameOwner(t *testing.T, s *stand) {
	s.open(t)
	old := s.claim(t, 100, "a")
	token := s.claim(t, 100, "a")
	if old == token {
		t.Fatalf("both claims have the token %q", token)
	}
	s.refuseStep(t, 100, old, counting.Renew(s.lease()), counting.ErrStaleToken)
	s.advance(t, 100, token, counting.Renew(s.lease()))
}

func renewLease(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	s.advance(t, 100, token, counting.Renew(2*s.lease()+time.Second))
	s.elapse(t, 2*s.lease())
	_, _, err := n.Claim(t.Context(), 100, "b", s.lease())
	mustBe(t, err, counting.ErrBusy)
	s.advance(t, 100, token, counting.Renew(s.lease()))
	s.elapse(t, s.lease())
	s.claim(t, 100, "b")
}

func renewLate(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	s.elapse(t, 2*s.lease())
	s.advance(t, 100, token, counting.Renew(time.Hour))
	_, _, err := n.Claim(t.Context(), 100, "b", time.Hour)
	mustBe(t, err, counting.ErrBusy)
}

func claimsAreApart(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	other := s.claim(t, 101, "b")
	s.refuseStep(t, 101, token, counting.Renew(s.lease()), counting.ErrStaleToken)
	s.advance(t, 100, token, counting.Renew(s.lease()))
	s.advance(t, 101, other, counting.Renew(s.lease()))
}

func claimDone(t *testing.T, s *stand) {
	n := s.open(t)
	s.finish(t, 100, "a", 7)
	for _, owner := range []string{"a", "b"} {
		token, e, err := n.Claim(t.Context(), 100, owner, s.lease())
		must(t, err)
		equal(t, "token", token, "")
		equal(t, "state", e.State, counting.Done)
		equal(t, "count", e.Count, 7)
	}
}

func staleToken(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.claim(t, 100, "a")
	s.elapse(t, s.lease())
	token := s.claim(t, 100, "b")
	s.refuseToken(t, 100, old)
	s.advance(t, 100, token, counting.Record(7))
	s.refuseToken(t, 100, old)
	s.advance(t, 100, token, counting.Publish("queue"))
	s.refuseToken(t, 100, old)
	e, calls, err := n.Entry(t.Context(), 100)
	must(t, err)
	equal(t, "entry", e, counting.Entry{Window: 100, State: counting.Published, Count: 7, Sink: "queue"})
	equal(t, "calls", len(calls), 0)
}

// refuseToken tries every change with a token that is not the last.
func (s *stand) refuseToken(t *testing.T, w counting.Window, token string) {
	t.Helper()
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		s.refuseStep(t, w, token, step, counting.ErrStaleToken)
	}
}

func tokenWithoutClaim(t *testing.T, s *stand) {
	n := s.open(t)
	s.refuseToken(t, 100, "")
	s.refuseToken(t, 100, "1")
	entries, err := n.Entries(t.Context(), math.MaxInt64, 10)
	must(t, err)
	equal(t, "entries", len(entries), 0)
	s.claim(t, 100, "a")
	s.refuseToken(t, 100, "")
}

func claimAtOnce(t *testing.T, s *stand) {
	n := s.open(t)
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, _, err := n.Claim(t.Context(), 100, string(rune('a'+i)), time.Hour); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	equal(t, "owners of the claim", won.Load(), 1)
}

func ledgerUninitialized(t *testing.T, s *stand) {
	n := s.empty(t)
	_, _, err := n.Claim(t.Context(), 100, "a", time.Second)
	mustBe(t, err, counting.ErrUninitialized)
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		s.refuseStep(t, 100, "x", step, counting.ErrUninitialized)
	}
	_, _, err = n.Entry(t.Context(), 100)
	mustBe(t, err, counting.ErrUninitialized)
	_, err = n.Entries(t.Context(), math.MaxInt64, 10)
	mustBe(t, err, counting.ErrUninitialized)
}
