// Package model_test runs whole instances of the service behind a network that
// loses, delays and repeats, and compares what they promised with what is there
// (design: batches, windows). The nodes are in memory, in virtual time, or Redis
// servers that are killed, in real time. A run that fails is repeated by
// -model.seed; goroutines of one moment may still run in another order, and real
// time is never the same, so try a few times.
package model_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"footfall/test/chaos"
)

var (
	seed      = chaos.Seed("model.seed")
	lastsFlag = flag.Duration("model.lasts", 9*time.Second, "how long everything goes wrong on Redis")
	runsFlag  = flag.Int("model.runs", 0, "number of runs in memory; 0 is 2 with -short and 6 without")
)

// inMemoryTime is what all plans in memory have in common.
var inMemoryTime = plan{
	window: 10 * time.Second, grace: 2 * time.Second, pause: 40 * time.Millisecond, closes: true,
	delay: [...]time.Duration{50 * time.Millisecond, 1500 * time.Millisecond}, again: [...]time.Duration{time.Millisecond, 3 * time.Second},
	brimFor: 2 * time.Second, endpoints: 10, endpointsFail: true,
}

// storm is all that may go wrong without a node losing what it has.
func storm() plan {
	p := inMemoryTime
	p.instances, p.clients, p.lasts = 4, 16, 3*time.Minute
	p.rates = rates{loseRequest: 0.04, loseReply: 0.04, delay: 0.02, duplicate: 0.5, refuse: 0.02}
	p.crashes, p.freezes, p.outages, p.clocks, p.skews, p.backAtSeal, p.absences = true, true, true, true, true, 0.1, 0.01
	p.brims, p.endpointLimit, p.brokerFails, p.logFails = true, 6, 0.4, 0.1
	return p
}

// amnesia lets nodes lose what they had just applied. No instance dies, since
// only those that live can repeat it; and no item is refused, since what is
// repeated in another order may be refused where it was not.
func amnesia() plan {
	p := inMemoryTime
	p.instances, p.clients, p.lasts = 3, 16, 2*time.Minute
	p.rates = rates{loseRequest: 0.03, loseReply: 0.03, delay: 0.02, duplicate: 0.5, refuse: 0.01}
	p.rollBacks, p.endpointLimit, p.brokerFails, p.logFails = true, 1000, 0.3, 0.1
	return p
}

// redisStorm is all that may go wrong with processes and connections without a
// server losing what it has.
func redisStorm() plan {
	return plan{
		real: true, instances: 3, clients: 32, lasts: *lastsFlag, outages: true, crashes: true, sockets: true, closes: true,
		window: time.Second, grace: 200 * time.Millisecond, lease: 1500 * time.Millisecond, pause: 4 * time.Millisecond,
		delay: [...]time.Duration{5 * time.Millisecond, 1200 * time.Millisecond}, again: [...]time.Duration{time.Millisecond, 500 * time.Millisecond},
		rates: rates{loseRequest: 0.03, loseReply: 0.03, delay: 0.008, duplicate: 0.7},
		brims: true, brimFor: 500 * time.Millisecond, endpoints: 3, endpointLimit: 10, wanted: redisFaults,
	}
}

// drizzle is enough of it to find a defect soon.
func drizzle() plan {
	p := redisStorm()
	p.instances, p.clients, p.lasts, p.window = 2, 16, 1500*time.Millisecond, time.Hour
	p.outages, p.crashes, p.sockets, p.closes, p.wanted = false, false, false, false, nil
	p.rates = rates{loseRequest: 0.05, loseReply: 0.1, duplicate: 0.7}
	return p
}

// leaps lets clocks leap, in a light rain of other faults.
func leaps() plan {
	p := inMemoryTime
	p.instances, p.clients, p.lasts = 3, 16, 3*time.Minute
	p.rates = rates{loseRequest: 0.01, loseReply: 0.01, delay: 0.02, duplicate: 0.5, refuse: 0.01}
	p.leaps, p.skews, p.crashes, p.endpointLimit, p.brokerFails, p.logFails = true, true, true, 1000, 0.1, 0.05
	return p
}

// backwards lets clocks step back just when their node has sealed.
func backwards() plan {
	p := storm()
	p.backAtSeal = 0.6
	return p
}

// hesitation lets publishers doubt and clocks step back and leap, over and over.
func hesitation() plan {
	p := storm()
	p.backAtSeal, p.brokerFails, p.logFails, p.leaps = 1, 0.8, 0.6, true
	return p
}

// absence lets callers freeze until others have taken over what they close.
func absence() plan {
	p := storm()
	p.absences = 0.2
	return p
}

var (
	stormFaults = append(chaos.CrashAtSteps(),
		chaos.LostRequest, chaos.LostReply, chaos.Delayed, chaos.Duplicated, refusedCall, chaos.NodeDown, nodeFrozen, clockBack, clockForward,
		chaos.InstanceCrashed, chaos.InstanceFrozen, noneAlive, publisherRefused, publisherUnknown, endpointFailed, endpointHung, endpointGone, endpointBusy,
		batchDuplicate, chaos.AnsweredInDoubt, chaos.AnsweredRefused, chaos.OverflowRefused, chaos.EndpointRefused, claimBusy, claimTakenOver,
		sealTooEarly, publishedTwice, publishedNothing, idMovedOn, calledTwice, calledAgain, forbiddenRefused,
		frozenBeyondLease, nodeOff, closerAhead, closerBehind,
	)
	redisFaults = append(chaos.CrashAtSteps(),
		chaos.LostRequest, chaos.LostReply, chaos.Delayed, chaos.Duplicated, chaos.InstanceCrashed, nodeKilled, nodeFrozen, scriptsForgotten,
		replyCut, replyDropped, socketRefused, socketStalled, batchDuplicate, refusalRemembered, callNotApplied,
		callUnknown, chaos.AnsweredInDoubt, chaos.AnsweredRefused, chaos.OverflowRefused, chaos.ReadFailed, publishedTwice, chaos.KeyRepeated,
	)
	leapFaults    = []chaos.Fault{nodeLeapt, instanceLeapt, allLeapt, clocksDisagree, sealedAhead, idMovedOn, nodeOff, chaos.InstanceCrashed}
	amnesiaFaults = []chaos.Fault{chaos.NodeRolledBack, chaos.BatchGap, batchDuplicate, chaos.LostRequest, chaos.LostReply, chaos.Duplicated, publishedTwice}
)

// Every promise about visits and windows holds in a storm of faults.
func TestEveryPromiseHoldsInAStorm(t *testing.T) { runMany(t, storm(), stormFaults) }

// Every promise holds when clocks leap: that of a node, of an instance, or all.
func TestEveryPromiseHoldsWhenClocksLeap(t *testing.T) { runMany(t, leaps(), leapFaults) }

// A node that forgets its last 400 ms is brought up to date by those who had
// sent them.
func TestNodesThatForgetTheLastMomentAreRepaired(t *testing.T) { runMany(t, amnesia(), amnesiaFaults) }

// Every promise about visits and ids holds while everything goes wrong, and
// after the kill -9 of every server.
func TestEveryPromiseHoldsOnRedisInAStorm(t *testing.T) {
	t.Parallel()
	p := redisStorm()
	chaos.Storm(t, 1, 3, p.wanted, func(n int) chaos.Result { return runOnce(t, n, p, mutant{}).result() })
}

// The runs that find defects find none where there is none.
func TestADrizzleBreaksNoPromiseOnRedis(t *testing.T) {
	t.Parallel()
	chaos.Storm(t, 1, 1, nil, func(int) chaos.Result { return runOnce(t, 0, drizzle(), mutant{}).result() })
}

// runMany makes the runs that were asked for, and up to 100 more while a fault
// that is wanted has not happened yet. With -short no fault is wanted.
func runMany(t *testing.T, p plan, wanted []chaos.Fault) {
	least := *runsFlag
	if testing.Short() {
		wanted = nil
	}
	switch {
	case least > 0:
	case testing.Short():
		least = 2
	default:
		least = 6
	}
	chaos.Storm(t, least, least+100, wanted, func(n int) chaos.Result { return runOnce(t, n, p, mutant{}).result() })
}

// runOnce makes the nth run.
func runOnce(t *testing.T, n int, p plan, m mutant) (w *world) {
	seed := seed() + uint64(n)
	if p.real {
		w = newWorld(seed, p, m, onRedis(t))
		w.run(t.Context())
		return w
	}
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed, p, m, inMemory)
		w.run(t.Context())
	})
	return w
}

func (w *world) result() chaos.Result {
	return chaos.Result{Seed: w.Seed, Books: &w.Books, Counted: w.Counted, Summary: w.summary()}
}
