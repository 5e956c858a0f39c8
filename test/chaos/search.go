package chaos

import (
	"flag"
	"slices"
	"sync"
	"testing"
	"time"
)

// Seed is the seed of the first run: that of a flag, or else the clock's at the first
// call.
func Seed(flagName string) func() uint64 {
	asked := flag.Uint64(flagName, 0, "seed of the first run; 0 takes one by the clock")
	return sync.OnceValue(func() uint64 {
		if *asked != 0 {
			return *asked
		}
		return uint64(time.Now().UnixNano())
	})
}

// Result is what one run of a model has shown.
type Result struct {
	Seed    uint64
	Books   *Books
	Counted *Tally
	Summary string
}

// Storm makes runs, at least some, and goes on to at most as long as a wanted fault
// has not happened. It fails the test with what was violated, and with what is missing.
func Storm(t *testing.T, least, most int, wanted []Fault, run func(n int) Result) {
	t.Helper()
	all := NewTally()
	for n := 0; n < most && (n < least || len(all.Missing(wanted)) > 0) && !t.Failed(); n++ {
		r := run(n)
		all.AddAll(r.Counted)
		t.Logf("seed %d: %s", r.Seed, r.Summary)
		r.Books.Report(t, r.Seed)
	}
	t.Logf("faults:%s", all)
	for _, f := range all.Missing(wanted) {
		t.Errorf("the fault %s did not happen, so that nothing is proved about it", f)
	}
}

// Find fails the test unless one of some runs violates what shows a defect.
func Find(t *testing.T, tries int, shows func(violation string) bool, run func(try int) Result) {
	t.Helper()
	begin := time.Now()
	for try := range tries {
		all := run(try).Books.Violations()
		if k := slices.IndexFunc(all, shows); k >= 0 {
			t.Logf("run %d, %.1f s: %.300s", try+1, time.Since(begin).Seconds(), all[k])
			return
		}
	}
	t.Errorf("%d runs did not show that a promise is broken", tries)
}
