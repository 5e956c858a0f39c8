package ringmodel_test

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// rates are the probabilities of what may happen to one call; unnoticed is that of
// a loss that the caller has to wait out, late how long a delay is at most.
// Steps of moves are lost by steps more often, there and back; copies is how
// likely one comes again, late, though it was answered.
type rates struct {
	loseRequest, loseReply, delay, duplicate, unnoticed, steps, copies float64
	late                                                               time.Duration
}

// plan says what goes wrong in a run.
type plan struct {
	instances, clients, operators int
	heavy                         int // the weight of a node that stays
	// changes and aborted moves after which the run may end; least are the
	// changes that are enough once it has lasted longest.
	changes, aborted   int
	least              int
	rates              rates
	crashes, rollBacks bool
	trips              [5]float64    // by kind: chances that an instance dies at a call
	pause              time.Duration // between two changes of an operator, about
	roams              time.Duration // between two moves of a server to another address, about
	pair               bool          // two nodes are separated (runPair)
	losses             bool          // nodes are permanently lost; no request has a key
	audits             bool          // all pages are read all the time
	swings             bool          // all changes are back and forth
	sleeps             time.Duration // between two times that an instance stops for long, about
	through            int           // if not 0, it sleeps until the ring has changed so often
	late               time.Duration // how late a repeated step of a change or a move is at most
	history            bool          // histories are kept, hours pass, and clocks leap; no id is sent
	powerCuts          bool          // what steps have done is kept only if it is synced
	keepEvery          time.Duration // how old what a node falls back to is at most, about
	relapse            float64       // how likely a node falls back when a step has kept what it did
	// outages is the mean time between those of a node, outage how long one is
	// at most.
	outages, outage time.Duration
	// quarrels are the probabilities of what may happen to a step of a change: the
	// instance stops for a while; the node goes away after it. cut is the time
	// between two cuts of the network, 0 for none.
	quarrels struct {
		stop, away float64
		cut        time.Duration
	}
	// wanted are faults that the run goes on for, too; longest is how long it
	// does at most, and hunt with a defect, with many of which the ring changes
	// no more.
	wanted        []chaos.Fault
	longest, hunt time.Duration
	// launch starts a machine for a node. On real ones time is real, and what
	// waits for nothing but time is haste times as fast.
	launch func(counting.NodeID) machine
	real   bool
	haste  int
}

// nodes is the number of nodes at the start.
func (p plan) nodes() int {
	if p.pair {
		return 2
	}
	return stayers
}
