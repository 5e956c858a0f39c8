package localnode_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
)

// disk lets a test take the space from under an open file, and give it back.
type disk struct {
	t          *testing.T
	file       *os.File
	real, full int
}

// startOn starts a node whose disk the test holds.
func startOn(t *testing.T, o localnode.FileOptions) (*localnode.File, *disk) {
	t.Helper()
	d := &disk{t: t}
	n := localnode.NewFile(o)
	n.OpenWith(func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		d.file, err = os.OpenFile(name, flag, mode)
		return d.file, err
	})
	check.Must(t, n.Start(t.Context()))
	t.Cleanup(func() { stop(t, n) })
	var err error
	if d.real, err = syscall.Dup(int(d.file.Fd())); err != nil {
		t.Fatal(err)
	}
	if d.full, err = syscall.Open("/dev/full", syscall.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check.OK(t, errors.Join(syscall.Close(d.real), syscall.Close(d.full))) })
	return n, d
}

func (d *disk) fill()  { d.replace(d.full) }
func (d *disk) empty() { d.replace(d.real) }

func (d *disk) replace(fd int) {
	d.t.Helper()
	if err := syscall.Dup3(fd, int(d.file.Fd()), 0); err != nil {
		d.t.Fatal(err)
	}
}

func TestFullDiskLeavesABatchUnknownUntilItIsRepeated(t *testing.T) {
	n, d := startOn(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	check.Value(n.Apply(t.Context(), batch(1)))(t)
	d.fill()
	for range 3 {
		if _, err := n.Apply(t.Context(), batch(2)); err == nil || errors.Is(err, counting.ErrNotApplied) {
			t.Fatalf("got the error %v, want one that leaves the outcome unknown", err)
		}
	}
	d.empty()
	if r, err := n.Apply(t.Context(), batch(2)); err != nil || len(r.Refused) > 0 {
		t.Fatalf("got %+v and the error %v", r, err)
	}
	check.Equal(t, visits(t, n), 2, "visits")
}

// What a failed commit has left in the file may be lost with the next power
// cut, so that it is no answer to a repetition.
func TestDuplicateAfterAFailedCommitNeedsACommit(t *testing.T) {
	n, d := startOn(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	check.Value(n.Apply(t.Context(), batch(1)))(t)
	d.fill()
	if r, err := n.Apply(t.Context(), batch(1)); err != nil || !r.Duplicate {
		t.Fatalf("got %+v and the error %v, want a duplicate, which needs no space", r, err)
	}
	check.Fails(t, check.Err(n.Apply(t.Context(), batch(2))), "a batch was applied without space")
	if r, err := n.Apply(t.Context(), batch(1)); err == nil {
		t.Fatalf("got %+v, though nothing could be synced", r)
	}
	d.empty()
	if r, err := n.Apply(t.Context(), batch(1)); err != nil || !r.Duplicate {
		t.Fatalf("got %+v and the error %v, want a duplicate", r, err)
	}
}

func TestIDOfAFailedCommitCountsWhenAnotherBatchBringsIt(t *testing.T) {
	c := newClock()
	n, d := startOn(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	r := enter(t, n)
	check.Value(n.Apply(t.Context(), batch(1)))(t)
	d.fill()
	check.Fails(t, check.Err(n.Apply(t.Context(), batch(2))), "a batch was applied without space")
	d.empty()
	other := batch(1)
	other.Session, other.IDEvents[0].ID = "b", 2 // the id that failed
	check.Value(n.Apply(t.Context(), other))(t)
	check.Equal(t, check.Value(n.Distinct(t.Context(), r.Length().At(c.Now())))(t), 2, "distinct ids")
}

// What is written between a batch that failed and its repetition says nothing
// about the ids of the batch.
func TestRepeatedBatchCountsItsIDWhateverWasWrittenInBetween(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, n *localnode.File, w counting.Window) error{
		"heartbeat": func(t *testing.T, n *localnode.File, _ counting.Window) error {
			_, err := n.Heartbeat(t.Context(), conformance.AnyTime())
			return err
		},
		"claim and renew": func(t *testing.T, n *localnode.File, w counting.Window) error {
			token, _, err := n.Claim(t.Context(), w-1, "a", time.Minute)
			if err != nil {
				return err
			}
			_, err = n.Advance(t.Context(), w-1, token, counting.Renew(time.Minute))
			return err
		},
		"a scan": func(t *testing.T, n *localnode.File, w counting.Window) error {
			if _, err := n.Heartbeat(t.Context(), conformance.AnyTime()); err != nil {
				return err
			}
			if _, err := n.Seal(t.Context(), w-1, 0, conformance.AnyTime()); err != nil {
				return err
			}
			return n.Retire(t.Context(), w-1)
		},
		"a visit": func(t *testing.T, n *localnode.File, _ counting.Window) error {
			other := batch(1)
			other.Session, other.IDEvents = "b", nil
			_, err := n.Apply(t.Context(), other)
			return err
		},
		"another failure": func(t *testing.T, n *localnode.File, w counting.Window) error {
			if _, err := n.Seal(t.Context(), w+1, 0, conformance.AnyTime()); !errors.Is(err, counting.ErrTooEarly) {
				return fmt.Errorf("got the error %w, want %w", err, counting.ErrTooEarly)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			n, d := startOn(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
			w := enter(t, n).Length().At(c.Now())
			apply(t, n, batch(1))
			d.fill()
			check.Fails(t, check.Err(n.Apply(t.Context(), batch(2))), "a batch was applied without space")
			d.empty()
			check.Must(t, between(t, n, w))
			apply(t, n, batch(2))
			check.Equal(t, check.Value(n.Distinct(t.Context(), w))(t), 2, "distinct ids")
		})
	}
}

// S5: below the reserve, other pages and the keys of other requests are refused, each alone.
// Known pages, ids and deletions go on, and so does a repetition of what was acknowledged.
func TestS5BelowTheReserveOfTheDiskKnownPagesGoOn(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	if free := check.Value(n.RingSummary(t.Context()))(t).DiskFree; free < 1 {
		t.Fatalf("%d bytes are free", free)
	}
	first := batch(1)
	first.DiskReserve = 1
	check.Equal(t, len(check.Value(n.Apply(t.Context(), first))(t).Refused), 0, "refused with room enough")
	full := batch(2)
	full.DiskReserve, full.EndpointLimit, full.KeyLimit = 1<<60, 10, 10
	full.Visits = append(full.Visits, counting.Visit{Page: "about", Count: 1})
	full.Keyed = []counting.KeyedVisit{{RequestKey: counting.RequestKey{Key: counting.Key{1}}}}
	full.SetCounts = []counting.SetCount{{Page: "home", Count: 7}, {Page: "other", Count: 1}, {Page: "none", Delete: true}}
	r := check.Value(n.Apply(t.Context(), full))(t)
	want := []counting.Refusal{{Item: 1, Reason: counting.DiskFull}, {Item: 3, Reason: counting.DiskFull}, {Item: 5, Reason: counting.DiskFull}}
	if !slices.Equal(r.Refused, want) {
		t.Errorf("refused: %v, want %v", r.Refused, want)
	}
	check.Equal(t, visits(t, n), 7, "visits of home")
	again := batch(3)
	again.DiskReserve, again.Repeated = 1<<60, true
	again.Visits[0].Page = "acknowledged"
	check.Equal(t, len(check.Value(n.Apply(t.Context(), again))(t).Refused), 0, "refused of a repetition")
}
