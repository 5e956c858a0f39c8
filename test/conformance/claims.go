package conformance

import (
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// lease is short where the suite has to wait for its end.
func (f *fixture) lease() time.Duration {
	if f.Advance == nil {
		return 300 * time.Millisecond
	}
	return 15 * time.Second
}

// claimed makes a claim that must be answered.
func (f *fixture) claimed(w counting.Window, owner string, lease time.Duration) (string, counting.Entry) {
	f.Helper()
	token, e, err := f.node.Claim(f.Context(), w, owner, lease)
	check.Must(f, err)
	return token, e
}

// claim claims a window that must be free.
func (f *fixture) claim(w counting.Window, owner string) string {
	f.Helper()
	token, e := f.claimed(w, owner, f.lease())
	equal(f, "window of the entry", e.Window, w)
	if token == "" {
		f.Fatalf("window %d, %s, gave no token", w, e.State)
	}
	return token
}

func claimCases() []testCase {
	return []testCase{
		{"the first claim finds the window open", open, func(f *fixture) {
			token, e := f.claimed(100, "a", f.lease())
			equal(f, "entry", e, counting.Entry{Window: 100, State: counting.Open})
			if token == "" {
				f.Fatal("the token is empty")
			}
		}},
		{"a window is busy while another owner has it", open, func(f *fixture) {
			token, _ := f.claimed(100, "a", counting.MaxLease)
			mustBe(f, check.Err(f.node.Claim(f.Context(), 100, "b", counting.MaxLease)), counting.ErrBusy)
			f.advance(100, token, counting.Renew(counting.MaxLease))
		}},
		{"another owner may claim a window when the lease is over", open, func(f *fixture) {
			old := f.claim(100, "a")
			f.advance(100, old, counting.Record(7))
			f.elapse(f.lease())
			token, e := f.claimed(100, "b", counting.MaxLease)
			equal(f, "entry", e, counting.Entry{Window: 100, State: counting.Sealed, Count: 7})
			f.refuseStep(100, old, counting.Renew(counting.MaxLease), counting.ErrStaleToken)
			f.advance(100, token, counting.Renew(counting.MaxLease))
			mustBe(f, check.Err(f.node.Claim(f.Context(), 100, "a", counting.MaxLease)), counting.ErrBusy)
		}},
		{"the same owner receives a new token, and the old one is stale", open, func(f *fixture) {
			old := f.claim(100, "a")
			token := f.claim(100, "a")
			if old == token {
				f.Fatalf("both claims have the token %q", token)
			}
			f.refuseStep(100, old, counting.Renew(f.lease()), counting.ErrStaleToken)
			f.advance(100, token, counting.Renew(f.lease()))
		}},
		{"a renewed lease starts again", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.advance(100, token, counting.Renew(2*f.lease()+time.Second))
			f.elapse(2 * f.lease())
			mustBe(f, check.Err(f.node.Claim(f.Context(), 100, "b", f.lease())), counting.ErrBusy)
			f.advance(100, token, counting.Renew(f.lease()))
			f.elapse(f.lease())
			f.claim(100, "b")
		}},
		{"an expired lease can be renewed while no other owner has the window", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.elapse(2 * f.lease())
			f.advance(100, token, counting.Renew(counting.MaxLease))
			mustBe(f, check.Err(f.node.Claim(f.Context(), 100, "b", counting.MaxLease)), counting.ErrBusy)
		}},
		{"a claim does not affect other windows", open, func(f *fixture) {
			token := f.claim(100, "a")
			other := f.claim(101, "b")
			f.refuseStep(101, token, counting.Renew(f.lease()), counting.ErrStaleToken)
			f.advance(100, token, counting.Renew(f.lease()))
			f.advance(101, other, counting.Renew(f.lease()))
		}},
		{"a window that is done is not claimed", open, func(f *fixture) {
			f.finish(100, "a", 7)
			for _, owner := range []string{"a", "b"} {
				token, e := f.claimed(100, owner, f.lease())
				equal(f, "token", token, "")
				equal(f, "state", e.State, counting.Done)
				equal(f, "count", e.Count, 7)
			}
		}},
		{"a token that is not the last is stale for every step", open, func(f *fixture) {
			old := f.claim(100, "a")
			f.elapse(f.lease())
			token := f.claim(100, "b")
			f.refuseToken(100, old)
			f.advance(100, token, counting.Record(7))
			f.refuseToken(100, old)
			f.advance(100, token, counting.Publish("queue"))
			f.refuseToken(100, old)
			e, deliveries := f.stored(100)
			equal(f, "entry", e, counting.Entry{Window: 100, State: counting.Published, Count: 7, Sink: "queue"})
			equal(f, "deliveries", len(deliveries), 0)
		}},
		{"an unclaimed window accepts no token", open, func(f *fixture) {
			f.refuseToken(100, "")
			f.refuseToken(100, "1")
			equal(f, "entries", len(check.Value(f.node.Entries(f.Context(), math.MaxInt64, 10))(f)), 0)
			f.claim(100, "a")
			f.refuseToken(100, "")
		}},
		{"of many concurrent owners one has the claim", open, func(f *fixture) {
			f.oneWins(func(i int) bool {
				return check.Err(f.node.Claim(f.Context(), 100, string(rune('a'+i)), counting.MaxLease)) == nil
			})
		}},
	}
}

// refuseToken tries every change with a token that is not the last.
func (f *fixture) refuseToken(w counting.Window, token string) {
	f.Helper()
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		f.refuseStep(w, token, step, counting.ErrStaleToken)
	}
}
