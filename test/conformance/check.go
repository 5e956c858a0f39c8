package conformance

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

// mustBe checks that a call failed, and how.
func mustBe(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got the error %v, want %v", got, want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func equalSlices[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// follow calls page from one cursor to the next, and hands on what it returns.
func follow[T any](t testing.TB, page func(cursor string) (T, string, error), each func(T)) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		part, next, err := page(cursor)
		check.Must(t, err)
		each(part)
		cursor = next
	}
}

// oneWins makes many concurrent calls, and checks that exactly one wins.
func (f *fixture) oneWins(wins func(i int) bool) {
	f.Helper()
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if wins(i) {
				won.Add(1)
			}
		})
	}
	all.Wait()
	equal(f, "calls that won", won.Load(), 1)
}

func refusal(item int, reason counting.Reason) counting.Refusal {
	return counting.Refusal{Item: item, Reason: reason}
}

// visits checks what a page's count is.
func (f *fixture) visits(page counting.Page, want int64) {
	f.Helper()
	f.tallies([]counting.Visit{f.visit(page, want)})
}

// tallies checks the counts of pages.
func (f *fixture) tallies(want []counting.Visit) {
	f.Helper()
	var at []counting.Located
	for _, v := range want {
		at = append(at, counting.Located{Arc: v.Arc, Page: v.Page})
	}
	got := check.Value(f.node.Read(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, at))(f)
	equal(f, "number of tallies", len(got), len(want))
	for i, v := range want {
		equal(f, "tally of "+string(v.Page), got[i], counting.Tally{Visits: v.Count})
	}
}

// distinct checks how many ids a window has.
func (f *fixture) distinct(w counting.Window, want int64) {
	f.Helper()
	equal(f, "distinct ids", check.Value(f.node.Distinct(f.Context(), w))(f), want)
}

// endpoints checks which endpoints a window has, given in order.
func (f *fixture) endpoints(w counting.Window, want ...string) {
	f.Helper()
	got := check.Value(f.node.Endpoints(f.Context(), w))(f)
	slices.Sort(got)
	equalSlices(f, "endpoints", got, want)
}

// waiting checks which windows wait.
func (f *fixture) waiting(want ...counting.Window) {
	f.Helper()
	equalSlices(f, "waiting windows", f.heartbeat().Waiting, want)
}

func (f *fixture) heartbeat() counting.HeartbeatResult {
	f.Helper()
	return check.Value(f.node.Heartbeat(f.Context(), AnyTime()))(f)
}

// apply sends a batch that must be applied, with these refusals.
func (f *fixture) apply(b *counting.Batch, want ...counting.Refusal) {
	f.Helper()
	f.receipt(b, false, want)
}

// duplicate sends a batch that must be known, with these refusals.
func (f *fixture) duplicate(b *counting.Batch, want ...counting.Refusal) {
	f.Helper()
	f.receipt(b, true, want)
}

func (f *fixture) receipt(b *counting.Batch, duplicate bool, refused []counting.Refusal) {
	f.Helper()
	got := check.Value(f.node.Apply(f.Context(), b))(f)
	if got.Duplicate != duplicate || !slices.Equal(got.Refused, refused) {
		f.Fatalf("got the receipt %+v, want duplicate: %v, and the refusals %v", got, duplicate, refused)
	}
}

// refuse sends a batch that must not be applied.
func (f *fixture) refuse(b *counting.Batch, want error) {
	f.Helper()
	mustBe(f, check.Err(f.node.Apply(f.Context(), b)), want)
}

// gap sends a batch that must not be applied because others are missing.
func (f *fixture) gap(b *counting.Batch, last int64) {
	f.Helper()
	var gap *counting.GapError
	if err := check.Err(f.node.Apply(f.Context(), b)); !errors.As(err, &gap) || gap.Last != last {
		f.Fatalf("got the error %v, want a gap after batch %d", err, last)
	}
}
