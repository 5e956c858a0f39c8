// Package model_test runs whole instances of the service against memory nodes
// behind a network that loses, delays and repeats, in virtual time, and
// compares what they promised with what is there (design: batches, windows).
// A run that fails is repeated by -model.seed; goroutines of one moment may
// still run in another order, so try a few times.
package model_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"footfall/test/chaos"
)

var (
	seedFlag = flag.Uint64("model.seed", 0, "seed of the first run; 0 takes one by the clock")
	runsFlag = flag.Int("model.runs", 0, "number of runs; 0 is 2 with -short and 6 without")
)

// storm is all that may go wrong without a node losing what it has.
var storm = plan{
	instances: 4, clients: 16, lasts: 3 * time.Minute,
	rates:   rates{loseRequest: 0.04, loseReply: 0.04, delay: 0.02, duplicate: 0.5, refuse: 0.02},
	crashes: true, outages: true, clocks: true, skews: true, backAtSeal: 0.1, absences: 0.01,
	brims: true, endpointLimit: 6, brokerFails: 0.4, logFails: 0.1,
}

// amnesia lets nodes lose what they had just taken. No instance dies, since
// only those that live can repeat it; and no item is refused, since what is
// repeated in another order may be refused where it was not.
var amnesia = plan{
	instances: 3, clients: 16, lasts: 2 * time.Minute,
	rates:     rates{loseRequest: 0.03, loseReply: 0.03, delay: 0.02, duplicate: 0.5, refuse: 0.01},
	rollBacks: true, endpointLimit: 1000, brokerFails: 0.3, logFails: 0.1,
}

// setBack lets clocks step back just when their node has sealed.
func setBack() plan {
	p := storm
	p.backAtSeal = 0.6
	return p
}

// hesitation lets publishers doubt and clocks step back, over and over.
func hesitation() plan {
	p := storm
	p.backAtSeal, p.brokerFails, p.logFails = 1, 0.8, 0.6
	return p
}

// absence lets callers freeze until others have taken over what they close.
func absence() plan {
	p := storm
	p.absences = 0.2
	return p
}

var (
	stormFaults = append(chaos.CrashAtSteps(),
		lostRequest, lostReply, delayed, duplicated, refusedCall, nodeDown, nodeFrozen, clockBack, clockForward,
		instanceCrashed, instanceFrozen, nobodyAlive, publisherRefused, publisherUnknown, endpointFailed, endpointHung, endpointGone, endpointBusy,
		batchDuplicate, answeredInDoubt, answeredRefused, overflowRefused, endpointRefused, claimBusy, claimTakenOver,
		sealTooEarly, publishedTwice, publishedNothing, idMovedOn, calledTwice, calledAgain, forbiddenRefused,
		frozenBeyondLease, nodeOff, closerAhead, closerBehind,
	)
	amnesiaFaults = []chaos.Fault{nodeRolledBack, batchGap, batchDuplicate, lostRequest, lostReply, duplicated, publishedTwice}
)

// Every promise about visits and windows holds in a storm of faults.
func TestEveryPromiseHoldsInAStorm(t *testing.T) { runMany(t, storm, stormFaults) }

// A node that forgets its last 400 ms is brought up to date by those who had
// sent them.
func TestNodesThatForgetTheLastMomentAreRepaired(t *testing.T) { runMany(t, amnesia, amnesiaFaults) }

// runMany makes the runs that were asked for, and some more while a fault
// that is wanted has not happened yet.
func runMany(t *testing.T, p plan, wanted []chaos.Fault) {
	const more = 30
	all := chaos.NewTally()
	run := 0
	for ; run < runs() || run < runs()+more && len(all.Missing(wanted)) > 0; run++ {
		w := runOnce(t, firstSeed()+uint64(run), p, mutant{})
		all.AddAll(w.counted)
		t.Logf("-model.seed=%d: %s", w.seed, w.summary())
		for _, v := range w.violations[:min(20, len(w.violations))] {
			t.Errorf("-model.seed=%d: %s", w.seed, v)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d runs:%s", run, all)
	for _, f := range all.Missing(wanted) {
		t.Errorf("the fault %s did not happen, so that nothing is proved about it", f)
	}
}

func runOnce(t *testing.T, seed uint64, p plan, m mutant) *world {
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed, p, m)
		w.run(t.Context())
	})
	return w
}

func runs() int {
	switch {
	case *runsFlag > 0:
		return *runsFlag
	case testing.Short():
		return 2
	}
	return 6
}

func firstSeed() uint64 {
	if *seedFlag == 0 {
		*seedFlag = uint64(time.Now().UnixNano())
	}
	return *seedFlag
}
