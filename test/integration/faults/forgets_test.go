package faults_test

import (
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// F33, P3: a server goes back to a state that is older than all batches that an instance
// keeps. Those that are kept are counted again, and the others are reported as lost.
func TestF33AServerThatForgetsMoreThanIsKeptGetsWhatIsKept(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	in := r.Start()
	visit := func(n int) {
		for range n {
			r.MustVisit(in, "home")
		}
	}
	visit(2)
	kept := check.Value(r.Servers[0].Kept())(t)
	const forgotten, repeated = 3, 4
	visit(forgotten)
	time.Sleep(11 * time.Second) // longer than batches are kept
	visit(repeated)
	check.Must(t, r.Servers[0].FallBack(kept))
	visit(1)
	if lost := r.Counter(in, "footfall_batches_lost_total"); lost < forgotten {
		t.Errorf("%d batches are reported as lost, %d visits are", lost, forgotten)
	}
	check.Equal(t, in.Visits("home"), 2+repeated+1, "visits")
}
