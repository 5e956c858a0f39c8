package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"footfall/domain/counting"
)

func lifeCases() []testCase {
	return []testCase{
		{"calls end with their context", cancelledContext},
		{"a batch that ended with its context is counted once when it is sent again", cancelledBatch},
		{"every call after the close says so", useAfterClose},
		{"closing twice is harmless", closeTwice},
		{"counts and sessions survive", countsSurvive},
		{"windows survive", windowsSurvive},
		{"entries and claims survive", entriesSurvive},
		{"the ring survives", ringSurvives},
	}
}

// everyCall makes each call of the ports once, and hands on how it ended.
func (s *stand) everyCall(ctx context.Context, n Node, w counting.Window, ended func(call string, err error)) {
	b := &counting.Batch{Epoch: s.ring.Epoch(), Session: "every-call", Seq: 1, Visits: []counting.Visit{s.visit("elsewhere", 1)}}
	_, err := n.Apply(ctx, b)
	ended("apply", err)
	_, err = n.Read(ctx, s.ring.Epoch(), []counting.Located{s.at("home")})
	ended("read", err)
	_, err = n.Heartbeat(ctx)
	ended("attend", err)
	_, err = n.Seal(ctx, w-1, 0)
	ended("seal", err)
	_, err = n.Distinct(ctx, w)
	ended("distinct", err)
	_, err = n.Endpoints(ctx, w)
	ended("endpoints", err)
	ended("retire", n.Retire(ctx, w-1))
	_, _, err = n.Claim(ctx, w-1, "a", time.Second)
	ended("claim", err)
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		_, err = n.Advance(ctx, w-1, "x", step)
		ended(string(step.Action), err)
	}
	_, _, err = n.Entry(ctx, w-1)
	ended("entry", err)
	_, err = n.Entries(ctx, math.MaxInt64, 10)
	ended("entries", err)
	_, err = n.RingState(ctx)
	ended("standing", err)
	_, err = n.RingSummary(ctx)
	ended("pulse", err)
	_, err = n.Fence(ctx, s.ring)
	ended("fence", err)
	ended("approve", n.Accept(ctx, s.ring))
	ended("open", n.Open(ctx, s.ring))
	_, _, err = n.List(ctx, s.ring.Epoch(), "")
	ended("list", err)
	if movable, ok := n.(counting.Movable); ok {
		s.everyMove(ctx, movable, ended)
	}
}

// failEverywhere checks that no call is answered.
func (s *stand) failEverywhere(t *testing.T, n Node, w counting.Window, want error) {
	t.Helper()
	s.everyCall(t.Context(), n, w, func(call string, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got the error %v, want %v", call, err, want)
		}
	})
}

func cancelledContext(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.everyCall(ctx, n, w, func(call string, err error) {
		if err == nil {
			t.Errorf("%s: answered, though its context was over", call)
		}
	})
}

func cancelledBatch(t *testing.T, s *stand) {
	n := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := s.batch(s.visit("home", 1))
	_, err := n.Apply(ctx, b)
	mustFail(t, err)
	_, err = n.Apply(t.Context(), b)
	must(t, err)
	s.visits(t, "home", 1)
}

func useAfterClose(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.Close(t, n)
	s.failEverywhere(t, n, w, counting.ErrClosed)
	s.failEverywhere(t, n, w, counting.ErrNotApplied)
}

func closeTwice(t *testing.T, s *stand) {
	n := s.open(t)
	s.Close(t, n)
	s.Close(t, n)
}

// reopen closes the node and goes on with what it stored.
func (s *stand) reopen(t *testing.T) {
	t.Helper()
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	s.node = s.Reopen(t, s.node)
}

func countsSurvive(t *testing.T, s *stand) {
	s.open(t)
	older, last := s.batch(s.visit("home", 1), s.visit("full", most)), s.batch(s.visit("home", 2), s.visit("full", 1))
	refusal := counting.Refusal{Item: 1, Reason: counting.Overflow}
	s.apply(t, older)
	s.apply(t, last, refusal)
	for range 2 {
		s.reopen(t)
		s.visits(t, "home", 3)
		s.visits(t, "full", most)
		s.duplicate(t, older)
		s.duplicate(t, last, refusal)
	}
	s.seq++
	s.gap(t, s.batch(), 2)
	s.seq = 2
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 4)
}

func windowsSurvive(t *testing.T, s *stand) {
	n := s.open(t)
	first := s.window(t)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/"), s.arrival(2, "")))
	retired := s.pass(t, first)
	s.arrive(t, 1)
	open := s.pass(t, retired)
	s.arrive(t, 5, 6)
	s.seal(t, first)
	s.seal(t, retired)
	must(t, n.Retire(t.Context(), retired))
	s.reopen(t)
	s.distinct(t, first, 2)
	s.endpoints(t, first, "http://a.example/")
	equal(t, "sealed number", s.seal(t, first), 2)
	s.distinct(t, open, 2)
	a, err := s.node.Heartbeat(t.Context())
	must(t, err)
	waits := fmt.Sprint(a.Waiting)
	for _, w := range a.Waiting {
		if w == retired {
			t.Fatalf("the retired window %d waits: %s", retired, waits)
		}
	}
	if len(a.Waiting) == 0 || a.Waiting[0] > first {
		t.Fatalf("window %d doesn't wait: %s", first, waits)
	}
	s.arrive(t, 6, 7)
	if s.Advance != nil {
		s.distinct(t, open, 3)
	}
}

func entriesSurvive(t *testing.T, s *stand) {
	n := s.open(t)
	s.finish(t, 100, "a", 7)
	token, _, err := n.Claim(t.Context(), 101, "a", time.Hour)
	must(t, err)
	s.advance(t, 101, token, counting.Record(8))
	call := counting.Delivery{Attempts: 2, Status: 503}
	s.advance(t, 101, token, counting.SaveDelivery("http://a.example/", call))
	s.reopen(t)
	s.newest(t, 10, 101, 100)
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
	s.entry(t, 101, counting.Entry{State: counting.Sealed, Count: 8})
	s.calls(t, 101, map[string]counting.Delivery{"http://a.example/": call})
	_, _, err = s.node.Claim(t.Context(), 101, "b", time.Hour)
	mustBe(t, err, counting.ErrBusy)
	s.advance(t, 101, token, counting.Publish("queue"))
}

func ringSurvives(t *testing.T, s *stand) {
	n := s.open(t)
	first := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err := n.Fence(t.Context(), next)
	must(t, err)
	s.reopen(t)
	s.standing(t, next, first)
	s.refused(t, s.batch(s.visit("home", 1)), counting.ErrStale)
	must(t, s.node.Open(t.Context(), next))
	s.reopen(t)
	s.standing(t, next, next)
}
