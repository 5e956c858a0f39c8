package conformance

import (
	"bytes"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func ringCases() []testCase {
	return []testCase{
		{"a fence is stored and opens nothing", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.fence(first)
			f.rings(first, nil)
			f.ring = first
			f.refuse(f.batch(f.visit("home", 1)), counting.ErrAhead)
			f.openRing(first)
			next := f.next("second")
			f.fence(next)
			f.rings(next, first)
		}},
		{"Fence and Open may be repeated", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			for range 2 {
				f.fence(first)
				f.rings(first, nil)
			}
			for range 2 {
				check.Must(f, f.node.Open(f.Context(), first))
				f.rings(first, first)
			}
			f.fence(first)
			f.rings(first, first)
		}},
		{"a fence below the last one is stale", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
			f.fence(next)
			mustBe(f, check.Err(f.node.Fence(f.Context(), old)), counting.ErrStale)
			mustBe(f, f.node.Open(f.Context(), old), counting.ErrStale)
			f.rings(next, old)
		}},
		{"of two changes to one epoch the first wins", open, func(f *fixture) {
			old := f.ring
			w := f.current() + 2
			won, lost := f.nextRing("won", w), f.nextRing("lost", w)
			f.fence(won)
			mustBe(f, check.Err(f.node.Fence(f.Context(), lost)), sharding.ErrConflict)
			mustBe(f, f.node.Open(f.Context(), lost), sharding.ErrConflict)
			f.rings(won, old)
			check.Must(f, f.node.Open(f.Context(), won))
			mustBe(f, check.Err(f.node.Fence(f.Context(), lost)), sharding.ErrConflict)
			f.rings(won, won)
		}},
		{"of many concurrent changes one wins", empty, func(f *fixture) {
			f.oneWins(func(i int) bool {
				err := check.Err(f.node.Fence(f.Context(), f.firstRing("change-"+string(rune('a'+i)), f.member())))
				if err != nil {
					check.Is(f, err, sharding.ErrConflict, "a fence that lost")
				}
				return err == nil
			})
		}},
		{"Fence returns the current window", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			w := check.Value(f.node.Fence(f.Context(), first))(f)
			f.openRing(first)
			if now := f.current(); f.Advance != nil && now != w || now < w || now > w+1 {
				f.Fatalf("the fence answered with window %d, and the current one is %d", w, now)
			}
			now := f.window()
			equal(f, "window of the second fence", check.Value(f.node.Fence(f.Context(), f.nextRing("second", now+2)))(f), now)
		}},
		{"Fence returns no sealed window", timed, func(f *fixture) {
			w := f.window()
			f.pass(w)
			f.seal(w)
			f.elapse(-4 * time.Duration(f.length()))
			equal(f, "window", check.Value(f.node.Fence(f.Context(), f.nextRing("second", w+3)))(f), w+1)
		}},
		{"a fenced node keeps its windows open", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1, 2)
			f.fence(f.nextRing("second", w+2))
			f.distinct(w, 2)
			f.pass(w)
			equal(f, "sealed number", f.seal(w), 2)
			f.advance(w, f.claim(w, "a"), counting.Record(2))
		}},
		{"a ring of another deployment is refused", open, func(f *fixture) {
			r := check.Value(sharding.New("elsewhere", 7, f.length(), "first", []sharding.Member{f.member()}))(f)
			mustBe(f, check.Err(f.node.Fence(f.Context(), r)), counting.ErrOtherDeployment)
			mustBe(f, f.node.Accept(f.Context(), r), counting.ErrOtherDeployment)
			mustBe(f, f.node.Open(f.Context(), r), counting.ErrOtherDeployment)
			r = check.Value(r.Add(sharding.Change{ID: "second"}, sharding.Member{ID: "other", Addr: "other", Weight: 1}))(f)
			mustBe(f, check.Err(f.node.Fence(f.Context(), r)), counting.ErrOtherDeployment)
			f.rings(f.ring, f.ring)
			f.accepted(nil)
		}},
		{"a store of another deployment refuses every call of a bound node", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 1)))
			w := f.current()
			f.node.Bind("elsewhere")
			f.failEverywhere(w, counting.ErrOtherDeployment)
			f.node.Bind(f.ring.Deployment())
			f.visits("home", 1)
			f.apply(f.batch(f.visit("home", 1)))
			f.openRing(f.next("second"))
		}},
		{"a bound node makes no empty store one of another deployment", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.node.Bind("elsewhere")
			mustBe(f, check.Err(f.node.Fence(f.Context(), first)), counting.ErrOtherDeployment)
			mustBe(f, check.Err(f.node.RingState(f.Context())), counting.ErrUninitialized)
			f.node.Bind(first.Deployment())
			f.openRing(first)
		}},
		{"a store of another node is refused by every call", open, func(f *fixture) {
			f.needs(f.Impostor != nil, "its id can't be another")
			f.apply(f.batch(f.visit("home", 1)))
			w, n := f.current(), f.node
			f.node = f.Impostor(f.T, n)
			f.failEverywhere(w, counting.ErrWrongNode)
			f.node = n
			f.visits("home", 1)
		}},
	}
}

func (f *fixture) rings(fenced, opened *sharding.Ring) {
	f.Helper()
	got := check.Value(f.node.RingState(f.Context()))(f)
	for _, c := range []struct {
		what      string
		got, want *sharding.Ring
	}{{"fenced", got.Fenced, fenced}, {"opened", got.Opened, opened}} {
		if (c.got == nil) != (c.want == nil) || c.got != nil && !bytes.Equal(c.got.Encode(), c.want.Encode()) {
			f.Fatalf("%s ring: got %v, want %v", c.what, changeOf(c.got), changeOf(c.want))
		}
	}
}

func changeOf(r *sharding.Ring) string {
	if r == nil {
		return "none"
	}
	return r.ChangeID()
}
