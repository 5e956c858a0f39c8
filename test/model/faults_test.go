package model_test

import (
	"sync"

	"footfall/test/chaos"
)

// The faults.
const (
	lostRequest      chaos.Fault = "lost_request"
	lostReply        chaos.Fault = "lost_reply"
	delayed          chaos.Fault = "delayed"
	duplicated       chaos.Fault = "duplicated"
	refusedCall      chaos.Fault = "refused_call"
	nodeDown         chaos.Fault = "node_down"
	nodeFrozen       chaos.Fault = "node_frozen"
	nodeRolledBack   chaos.Fault = "node_rolled_back"
	clockBack        chaos.Fault = "clock_back"
	clockForward     chaos.Fault = "clock_forward"
	instanceCrashed  chaos.Fault = "instance_crashed"
	instanceFrozen   chaos.Fault = "instance_frozen"
	noneAlive        chaos.Fault = "all_crashed_at_the_boundary"
	publisherRefused chaos.Fault = "publisher_refused"
	publisherUnknown chaos.Fault = "publisher_unknown"
	endpointFailed   chaos.Fault = "endpoint_failed"
	endpointHung     chaos.Fault = "endpoint_hung"
	endpointGone     chaos.Fault = "endpoint_gone"
	endpointBusy     chaos.Fault = "endpoint_busy"

	frozenBeyondLease chaos.Fault = "frozen_in_a_close_beyond_its_lease"
	nodeOff           chaos.Fault = "a_node_is_3s_off"
	closerAhead       chaos.Fault = "closed_by_a_clock_10s_ahead"
	closerBehind      chaos.Fault = "closed_by_a_clock_10s_behind"

	nodeKilled       chaos.Fault = "node_killed"
	scriptsForgotten chaos.Fault = "scripts_forgotten"
	replyCut         chaos.Fault = "tcp_reply_cut"
	replyDropped     chaos.Fault = "tcp_reply_dropped"
	socketRefused    chaos.Fault = "tcp_refused"
	socketStalled    chaos.Fault = "tcp_stalled"
)

// The consequences that show that a protocol's corner was reached.
const (
	batchDuplicate chaos.Fault = "batch_duplicate"
	batchGap       chaos.Fault = "batch_gap"

	refusalRemembered chaos.Fault = "refusal_remembered"
	callNotApplied    chaos.Fault = "call_not_applied"
	callUnknown       chaos.Fault = "call_unknown"
	readFailed        chaos.Fault = "read_failed"
	keyRepeated       chaos.Fault = "key_repeated"

	answeredInDoubt  chaos.Fault = "answered_504"
	answeredRefused  chaos.Fault = "answered_503"
	overflowRefused  chaos.Fault = "overflow_refused"
	endpointRefused  chaos.Fault = "endpoint_limit"
	claimBusy        chaos.Fault = "claim_busy"
	claimTakenOver   chaos.Fault = "claim_taken_over"
	sealTooEarly     chaos.Fault = "seal_too_early"
	publishedTwice   chaos.Fault = "published_twice"
	publishedNothing chaos.Fault = "published_0"
	idMovedOn        chaos.Fault = "id_after_seal"
	calledTwice      chaos.Fault = "called_twice"
	calledAgain      chaos.Fault = "called_again"
	forbiddenRefused chaos.Fault = "forbidden_endpoint"
)

// gate is open or shut; a shut one holds every caller of pass.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when the gate opens; nil while it is open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// pass returns when the gate is open, or with false when over is closed.
func (g *gate) pass(over <-chan struct{}) bool {
	for {
		select {
		case <-over:
			return false
		default:
		}
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut == nil {
			return true
		}
		select {
		case <-shut:
		case <-over:
			return false
		}
	}
}
