package conformance

import (
	"errors"
	"slices"
	"testing"

	"footfall/domain/counting"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustBe checks that a call failed, and how.
func mustBe(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got the error %v, want %v", got, want)
	}
}

func mustFail(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("the call was answered, want an error")
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func equalSlices[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// visits checks what a page's count is.
func (s *stand) visits(t *testing.T, page counting.Page, want int64) {
	t.Helper()
	tallies, err := s.node.Read(t.Context(), s.ring.Epoch(), []counting.Located{s.at(page)})
	must(t, err)
	if len(tallies) != 1 || tallies[0].Err != nil || tallies[0].Visits != want {
		t.Fatalf("page %q: got %+v, want %d visits", page, tallies, want)
	}
}

// distinct checks how many ids a window has.
func (s *stand) distinct(t *testing.T, w counting.Window, want int64) {
	t.Helper()
	got, err := s.node.Distinct(t.Context(), w)
	must(t, err)
	equal(t, "distinct ids", got, want)
}

// endpoints checks which endpoints a window has, given in order.
func (s *stand) endpoints(t *testing.T, w counting.Window, want ...string) {
	t.Helper()
	got, err := s.node.Endpoints(t.Context(), w)
	must(t, err)
	slices.Sort(got)
	equalSlices(t, "endpoints", got, want)
}

// waiting checks which windows wait.
func (s *stand) waiting(t *testing.T, want ...counting.Window) {
	t.Helper()
	a, err := s.node.Heartbeat(t.Context())
	must(t, err)
	equalSlices(t, "waiting windows", a.Waiting, want)
}

// duplicate sends a batch that must be known, with these refusals.
func (s *stand) duplicate(t *testing.T, b *counting.Batch, want ...counting.Refusal) {
	t.Helper()
	got, err := s.node.Apply(t.Context(), b)
	must(t, err)
	if !got.Duplicate || !slices.Equal(got.Refused, want) {
		t.Fatalf("got the receipt %+v, want a duplicate with the refusals %v", got, want)
	}
}

// refused sends a batch that must not be taken.
func (s *stand) refused(t *testing.T, b *counting.Batch, want error) {
	t.Helper()
	_, err := s.node.Apply(t.Context(), b)
	mustBe(t, err, want)
}

// gap sends a batch that must not be taken because others lack.
func (s *stand) gap(t *testing.T, b *counting.Batch, last int64) {
	t.Helper()
	_, err := s.node.Apply(t.Context(), b)
	var gap *counting.GapError
	if !errors.As(err, &gap) || gap.Last != last {
		t.Fatalf("got the error %v, want a gap after batch %d", err, last)
	}
}
