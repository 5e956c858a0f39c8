package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func lifecycleCases() []testCase {
	return []testCase{
		{"calls end with their context", open, func(f *fixture) {
			w := f.current()
			ctx, cancel := context.WithCancel(f.Context())
			cancel()
			f.everyCall(ctx, w, func(call string, err error) {
				if err == nil {
					f.Errorf("%s: answered, though its context was over", call)
				}
			})
		}},
		{"a batch that ended with its context is counted once when it is sent again", open, func(f *fixture) {
			ctx, cancel := context.WithCancel(f.Context())
			cancel()
			b := f.batch(f.visit("home", 1))
			if _, err := f.node.Apply(ctx, b); err == nil {
				f.Fatal("the call was answered, want an error")
			}
			check.Value(f.node.Apply(f.Context(), b))(f)
			f.visits("home", 1)
		}},
		{"every call after the close fails as closed and not applied", open, func(f *fixture) {
			w := f.current()
			for range 2 { // closing twice is harmless
				f.Close(f.T, f.node)
			}
			f.failEverywhere(w, counting.ErrClosed)
			f.failEverywhere(w, counting.ErrNotApplied)
		}},
		{"a node without a ring answers no call", empty, func(f *fixture) {
			f.ring = f.otherRing() // it does not admit the node
			f.everyCall(f.Context(), 100, func(call string, err error) {
				want := counting.ErrUninitialized
				if call == "accept" || call == "open" {
					want = sharding.ErrConflict
				}
				if !errors.Is(err, want) {
					f.Errorf("%s: got the error %v, want %v", call, err, want)
				}
			})
			f.openRing(f.firstRing("first", f.member()))
			f.visits("elsewhere", 0)
			f.apply(f.batch(f.visit("elsewhere", 1)))
			f.newest(10)
		}},
		{"counts and sessions survive a restart", open, func(f *fixture) {
			older, last := f.batch(f.visit("home", 1), f.visit("full", most)), f.batch(f.visit("home", 2), f.visit("full", 1))
			refusal := refusal(1, counting.Overflow)
			f.apply(older)
			f.apply(last, refusal)
			for range 2 {
				f.reopen()
				f.visits("home", 3)
				f.visits("full", most)
				f.duplicate(older)
				f.duplicate(last, refusal)
			}
			f.seq++
			f.gap(f.batch(), 2)
			f.seq = 2
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 4)
		}},
		{"windows survive a restart", open, func(f *fixture) {
			first := f.window()
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/"), f.idEvent(2, "")))
			retired := f.pass(first)
			f.addIDs(1)
			open := f.pass(retired)
			f.addIDs(5, 6)
			f.seal(first)
			f.seal(retired)
			check.Must(f, f.node.Retire(f.Context(), retired))
			f.reopen()
			f.distinct(first, 2)
			f.endpoints(first, "http://a.example/")
			equal(f, "sealed number", f.seal(first), 2)
			f.distinct(open, 2)
			a := f.heartbeat()
			waits := fmt.Sprint(a.Waiting)
			for _, w := range a.Waiting {
				if w == retired {
					f.Fatalf("the retired window %d waits: %s", retired, waits)
				}
			}
			if len(a.Waiting) == 0 || a.Waiting[0] > first {
				f.Fatalf("window %d doesn't wait: %s", first, waits)
			}
			f.addIDs(6, 7)
			if f.Advance != nil {
				f.distinct(open, 3)
			}
		}},
		{"entries and claims survive a restart", open, func(f *fixture) {
			f.finish(100, "a", 7)
			token, _ := f.claimed(101, "a", counting.MaxLease)
			f.advance(101, token, counting.Record(8))
			delivery := counting.Delivery{Attempts: 2, Status: 503}
			f.advance(101, token, counting.SaveDelivery("http://a.example/", delivery))
			f.reopen()
			f.newest(10, 101, 100)
			f.entry(100, finished(7))
			f.entry(101, counting.Entry{State: counting.Sealed, Count: 8})
			f.deliveries(101, map[string]counting.Delivery{"http://a.example/": delivery})
			mustBe(f, check.Err(f.node.Claim(f.Context(), 101, "b", time.Hour)), counting.ErrBusy)
			f.advance(101, token, counting.Publish("queue"))
		}},
		{"the ring survives a restart", open, func(f *fixture) {
			first := f.ring
			next := f.next("second")
			f.fence(next)
			f.reopen()
			f.rings(next, first)
			f.refuse(f.batch(f.visit("home", 1)), counting.ErrStale)
			check.Must(f, f.node.Open(f.Context(), next))
			f.reopen()
			f.rings(next, next)
		}},
	}
}

// everyCall makes each call of the ports once, and hands on how it ended.
func (f *fixture) everyCall(ctx context.Context, w counting.Window, ended func(call string, err error)) {
	n := f.node
	b := &counting.Batch{Epoch: f.ring.Epoch(), Session: "every-call", Seq: 1, Visits: []counting.Visit{f.visit("elsewhere", 1)}}
	ended("apply", check.Err(n.Apply(ctx, b)))
	ended("read", check.Err(n.Read(ctx, counting.Expected{Epoch: f.ring.Epoch()}, []counting.Located{f.at("home")})))
	ended("heartbeat", check.Err(n.Heartbeat(ctx, AnyTime())))
	ended("waiting", check.Err(n.Waiting(ctx, w, 10)))
	ended("seal", check.Err(n.Seal(ctx, w-1, 0, AnyTime())))
	ended("distinct", check.Err(n.Distinct(ctx, w)))
	ended("endpoints", check.Err(n.Endpoints(ctx, w)))
	ended("retire", n.Retire(ctx, w-1))
	ended("claim", check.Err(n.Claim(ctx, w-1, "a", time.Second)))
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		ended(string(step.Action), check.Err(n.Advance(ctx, w-1, "x", step)))
	}
	ended("entry", check.Err(n.Entry(ctx, w-1)))
	ended("entries", check.Err(n.Entries(ctx, math.MaxInt64, 10)))
	ended("ring state", check.Err(n.RingState(ctx)))
	ended("ring summary", check.Err(n.RingSummary(ctx)))
	ended("fence", check.Err(n.Fence(ctx, f.ring)))
	ended("accept", n.Accept(ctx, f.ring))
	ended("open", n.Open(ctx, f.ring))
	ended("list", check.Err(n.List(ctx, counting.Expected{Epoch: f.ring.Epoch()}, "")))
	if kept, ok := n.(counting.Histories); ok {
		ended("keep history", check.Err(kept.KeepHistory(ctx, hours(), time.Time{}, false, AnyTime())))
		ended("read history", check.Err(kept.ReadHistory(ctx, counting.Expected{Epoch: f.ring.Epoch()}, f.at("home"))))
		ended("list histories", check.Err(kept.ListHistories(ctx, counting.Expected{Epoch: f.ring.Epoch()}, "")))
		ended("compact", check.Err(kept.Compact(ctx, AnyTime(), "")))
		ended("drop history", check.Err(kept.DropHistory(ctx, AnyTime(), "")))
	}
	if movable, ok := n.(counting.Movable); ok {
		f.everyMove(ctx, movable, ended)
	}
}

// failEverywhere checks that no call is answered.
func (f *fixture) failEverywhere(w counting.Window, want error) {
	f.Helper()
	f.everyCall(f.Context(), w, func(call string, err error) {
		f.Helper()
		if !errors.Is(err, want) {
			f.Errorf("%s: got the error %v, want %v", call, err, want)
		}
	})
}
