// Package ringmodel_test changes the ring under whole instances of the service,
// over nodes behind a network that loses, delays and repeats, and compares what
// is there with what was promised (design: ring): over memory in virtual
// time, and over Redis servers that are killed and rolled back, in real time. A run
// that fails is repeated by -ringmodel.seed; goroutines of one moment may still
// run in another order, and real time is never the same, so try a few times.
package ringmodel_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"

	"footfall/test/chaos"
)

var (
	seed        = chaos.Seed("ringmodel.seed")
	changesFlag = flag.Int("ringmodel.changes", 20, "changes of the ring that a storm goes on for at least")
	abortedFlag = flag.Int("ringmodel.aborted", 200, "interrupted moves that a storm goes on for at least")
)

// storm is all that may go wrong without a node losing what it has.
func storm() plan {
	return plan{
		instances: 3, clients: 12, operators: 2, heavy: 1000, pause: 3 * time.Second, changes: *changesFlag, aborted: *abortedFlag,
		rates:   rates{loseRequest: 0.03, loseReply: 0.03, delay: 0.02, duplicate: 0.6, unnoticed: 0.3, late: 1500 * time.Millisecond},
		crashes: true, sleeps: 30 * time.Second, trips: [...]float64{stepOfMove: 0.0008, fencing: 0.02, accepting: 0.02, opening: 0.02},
		outages: 12 * time.Second, outage: 4 * time.Second,
		launch: inMemory, longest: 5 * time.Hour, hunt: 15 * time.Minute, late: 30 * time.Second, keepEvery: 100 * time.Millisecond,
	}
}

// quarrel is all that may go wrong while it is decided whether a change is made.
func quarrel() plan {
	p := storm()
	p.instances, p.clients, p.operators, p.aborted, p.rates.delay = 4, 4, 3, 0, 0.06
	p.quarrels.stop, p.quarrels.away, p.quarrels.cut = 0.04, 0.04, 2*time.Second
	return p
}

// amnesia lets nodes fall back to what they were when they last promised to
// keep something. No instance dies, since only those that live can repeat what
// the node has lost.
func amnesia() plan {
	return plan{
		instances: 3, clients: 8, operators: 1, heavy: 1000, pause: 3 * time.Second, changes: max(4, *changesFlag/4), aborted: *abortedFlag / 4,
		rates:     rates{loseRequest: 0.02, loseReply: 0.02, delay: 0.01, duplicate: 0.5, unnoticed: 0.3, late: 1500 * time.Millisecond},
		rollBacks: true,
		launch:    inMemory, longest: 5 * time.Hour, hunt: 15 * time.Minute, late: 30 * time.Second, keepEvery: 100 * time.Millisecond,
	}
}

// scrutiny is storm under the eyes of one who reads all pages all the time.
func scrutiny() plan {
	p := storm()
	p.audits = true
	return p
}

// thaw is amnesia in which nodes fall back right when they have kept something.
func thaw() plan {
	p := amnesia()
	p.relapse, p.swings = 0.03, true
	return p
}

var (
	stormFaults = []chaos.Fault{
		chaos.LostRequest, chaos.LostReply, chaos.Delayed, chaos.Duplicated, moveInterrupted, chaos.InstanceCrashed, coordinatorKilled, killedBeforeOpen, moverKilled,
		chaos.InstanceFrozen, chaos.NodeDown, changeMade, changeUndone, changeRefused, rereads, lateStep,
		keysMoved, keyAtSource, chaos.KeyReused, entriesTaken,
	}
	quarrelFaults = []chaos.Fault{
		chaos.LostRequest, chaos.LostReply, chaos.Delayed, chaos.Duplicated, coordinatorKilled, coordinatorKilledLate, stoppedInChange, linkCut,
		nodeDiedFenced, firstDiedFenced, nodeDiedAccepted, nodeDiedOpened, changeMade, changeUndone, changeFinished,
	}
	amnesiaFaults = []chaos.Fault{chaos.NodeRolledBack, chaos.BatchGap, chaos.LostRequest, chaos.LostReply, changeMade, moveInterrupted}
)

// V12, V13, V17, P2, P3, P4: nothing is lost, doubled or read low while the
// ring changes and everything goes wrong.
func TestNothingIsLostWhileTheRingChangesInAStorm(t *testing.T) {
	runMany(t, storm, append([]chaos.Fault{nodeAddedAgain}, stormFaults...))
}

// V17, P4: which ring follows another is decided once, whichever process dies, stops, or
// goes away in the middle of it, and for however long.
func TestAChangeIsDecidedOnceWhicheverProcessDies(t *testing.T) { runShort(t, quarrel, quarrelFaults) }

// P4: a node that falls back to what it had promised to keep loses nothing.
func TestNodesThatFallBackLoseNothingWhileTheRingChanges(t *testing.T) {
	runMany(t, amnesia, amnesiaFaults)
}

// P4: a power cut, which takes back all that a node has done since it last synced,
// loses, doubles and holds up nothing.
func TestPowerCutsLoseNothingWhileTheRingChanges(t *testing.T) {
	runMany(t, blackout, amnesiaFaults)
}

// P11: over days, every bucket of every page has the visits that came in it, while the ring
// changes and everything goes wrong.
func TestP11EveryBucketIsExactWhileTheRingChangesInAStorm(t *testing.T) {
	runMany(t, chronicle, []chaos.Fault{
		allLeapt, nodeLeapt, daysAhead, instanceLeapt, compactInterrupted, compactRepeated, historyDropped, historyMoved, historyJoined,
		daySummed, notPlaced, pageSet, ringSwept, chaos.LostReply, chaos.Duplicated, moveInterrupted, chaos.InstanceCrashed, chaos.KeyRepeated,
	})
}

// P11: what a node has lost is repeated into the buckets in which it was.
func TestP11NodesThatFallBackKeepTheirHistories(t *testing.T) {
	runMany(t, oblivion, []chaos.Fault{chaos.NodeRolledBack, chaos.BatchGap, placedByBatch, historyMoved, allLeapt, moveInterrupted})
}

// P11: a power cut takes nothing from a history.
func TestP11PowerCutsTakeNothingFromHistories(t *testing.T) {
	runMany(t, dusk, []chaos.Fault{chaos.NodeRolledBack, chaos.BatchGap, placedByBatch, historyMoved, allLeapt, moveInterrupted})
}

// runMany makes runs until all that is wanted has happened.
func runMany(t *testing.T, p func() plan, wanted []chaos.Fault) {
	chaos.Storm(t, 1, 12, wanted, func(n int) chaos.Result { return runOnce(t, n, p(), mutant{}) })
}

// runShort is runMany in which three runs share the changes of a plan. A run takes longer
// for each change, the more there were before.
func runShort(t *testing.T, p func() plan, wanted []chaos.Fault) {
	short := p()
	short.changes, short.aborted = (short.changes+2)/3, short.aborted/3
	chaos.Storm(t, 3, 36, wanted, func(n int) chaos.Result { return runOnce(t, n, short, mutant{}) })
}

// runOnce makes the nth run in virtual time.
func runOnce(t *testing.T, n int, p plan, m mutant) (r chaos.Result) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(seed()+uint64(n), p, m)
		if p.pair {
			w.runPair(t.Context())
		} else {
			w.run(t.Context())
		}
		r = w.result()
	})
	return r
}

func (w *world) result() chaos.Result {
	return chaos.Result{Seed: w.Seed, Books: &w.Books, Counted: w.Counted, Summary: w.summary()}
}

// blackout is amnesia in which only what was synced outlives a fall, with what
// came to the disk by itself meanwhile.
func blackout() plan {
	p := amnesia()
	p.powerCuts, p.keepEvery, p.relapse, p.longest = true, 500*time.Millisecond, 0.005, time.Hour
	return p
}

// outage is blackout in which nodes fall back right at a step, and far.
func outage() plan {
	p := blackout()
	p.relapse, p.swings, p.keepEvery, p.changes, p.pause = 0.03, true, 2*time.Second, 12, time.Second
	return p
}

// The faults, and the consequences that show that a corner was reached.
const (
	lateStep              chaos.Fault = "step_of_a_move_that_is_over"
	moveInterrupted       chaos.Fault = "move_interrupted"
	coordinatorKilled     chaos.Fault = "coordinator_killed"
	coordinatorKilledLate chaos.Fault = "coordinator_killed_when_it_opens"
	nodeDiedFenced        chaos.Fault = "node_down_when_fenced"
	stoppedInChange       chaos.Fault = "instance_stops_in_a_change"
	linkCut               chaos.Fault = "link_cut"
	firstDiedFenced       chaos.Fault = "first_node_down_when_fenced"
	nodeDiedAccepted      chaos.Fault = "node_down_when_it_has_accepted"
	nodeDiedOpened        chaos.Fault = "node_down_when_it_has_opened"
	changeFinished        chaos.Fault = "change_finished_by_another"
	moverKilled           chaos.Fault = "mover_killed"
	nodeAddedAgain        chaos.Fault = "node_emptied_and_added_again"
	changeMade            chaos.Fault = "change_made"
	changeUndone          chaos.Fault = "change_undone"
	changeRefused         chaos.Fault = "change_refused"
	rereads               chaos.Fault = "read_of_a_moving_page"
	keysMoved             chaos.Fault = "keys_moved"
	entriesTaken          chaos.Fault = "entries_taken"
	keyAtSource           chaos.Fault = "key_found_at_the_source"
	killedBeforeOpen      chaos.Fault = "coordinator_killed_between_fence_and_open"
	changesAtOnce         chaos.Fault = "two_changes_at_once"
)
