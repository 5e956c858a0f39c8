package localnode_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
)

func TestWindowWhoseNumberIsNoneIsCorrupt(t *testing.T) {
	c := newClock()
	n := start(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	w := enter(t, n).Length().At(c.Now()) - 1
	for name, value := range map[string][]byte{
		"empty": {}, "3 bytes": {1, 2, 3}, "negative": {255, 255, 255, 255, 255, 255, 255, 255},
	} {
		t.Run(name, func(t *testing.T) {
			check.Must(t, n.SpoilNumber(w, value))
			if got, err := n.Distinct(t.Context(), w); !errors.Is(err, counting.Corrupt) {
				t.Errorf("distinct: got %d and the error %v, want %v", got, err, counting.Corrupt)
			}
			if got, err := n.Seal(t.Context(), w, 0, conformance.AnyTime()); !errors.Is(err, counting.Corrupt) {
				t.Errorf("seal: got %d and the error %v, want %v", got, err, counting.Corrupt)
			}
		})
	}
}

func TestEntryThatSaysNothingIsCorrupt(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	for _, text := range []string{
		"", "{}", "[]", "null", `{"state":"odd"}`, `{"state":"damaged"}`, `{"state":"sealed","count":-1}`, `{"state":"open"`,
	} {
		t.Run(text, func(t *testing.T) {
			check.Must(t, n.SpoilEntry(100, text))
			check.Is(t, check.Err(n.Claim(t.Context(), 100, "a", time.Minute)), counting.Corrupt, "claim")
			if got, err := n.Entries(t.Context(), math.MaxInt64, 1); err != nil || len(got) != 1 || got[0].State != counting.Damaged {
				t.Errorf("entries: got %+v and the error %v, want a damaged one", got, err)
			}
		})
	}
}

func TestEntryThatIsABucketIsCorrupt(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	check.Must(t, n.SpoilEntryByBucket(100))
	check.Is(t, check.Err(n.Claim(t.Context(), 100, "a", time.Minute)), counting.Corrupt, "claim")
	check.Is(t, check.Err(n.Entry(t.Context(), 100)), counting.Corrupt, "entry")
	if got, err := n.Entries(t.Context(), math.MaxInt64, 1); err != nil || len(got) != 1 || got[0].State != counting.Damaged {
		t.Errorf("entries: got %+v and the error %v, want a damaged one", got, err)
	}
}

func TestKeyThatNamesNoWindowIsPassedOver(t *testing.T) {
	c := newClock()
	n := start(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	w := enter(t, n).Length().At(c.Now())
	apply(t, n, batch(1))
	check.Must(t, check.Err(n.Claim(t.Context(), w, "a", time.Minute)))
	check.Must(t, n.SpoilKeys())
	c.Elapse(time.Minute)
	if a, err := n.Heartbeat(t.Context(), conformance.AnyTime()); err != nil || len(a.Waiting) != 1 || a.Waiting[0] != w {
		t.Errorf("heartbeat: got %+v and the error %v, want window %d to wait", a, err, w)
	}
	if got, err := n.Entries(t.Context(), math.MaxInt64, 10); err != nil || len(got) != 1 || got[0].Window != w {
		t.Errorf("entries: got %+v and the error %v, want window %d alone", got, err, w)
	}
}

func TestKeysThatAreNotThereAreForgotten(t *testing.T) {
	c := newClock()
	n := start(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	enter(t, n)
	check.Must(t, n.SpoilPlan(c.Now()))
	c.Elapse(time.Minute)
	check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
}
