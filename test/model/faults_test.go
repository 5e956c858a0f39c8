package model_test

import "footfall/test/chaos"

// The faults.
const (
	refusedCall      chaos.Fault = "refused_call"
	nodeFrozen       chaos.Fault = "node_frozen"
	clockBack        chaos.Fault = "clock_back"
	clockForward     chaos.Fault = "clock_forward"
	noneAlive        chaos.Fault = "all_crashed_at_the_boundary"
	publisherRefused chaos.Fault = "publisher_refused"
	publisherUnknown chaos.Fault = "publisher_unknown"
	endpointFailed   chaos.Fault = "endpoint_failed"
	endpointHung     chaos.Fault = "endpoint_hung"
	endpointGone     chaos.Fault = "endpoint_gone"
	endpointBusy     chaos.Fault = "endpoint_busy"

	frozenBeyondLease chaos.Fault = "frozen_in_a_close_beyond_its_lease"
	nodeOff           chaos.Fault = "a_node_is_3s_off"
	closerAhead       chaos.Fault = "closed_by_a_clock_3s_ahead"
	closerBehind      chaos.Fault = "closed_by_a_clock_3s_behind"

	nodeLeapt     chaos.Fault = "clock_of_a_node_leapt"
	instanceLeapt chaos.Fault = "clock_of_an_instance_leapt"
	allLeapt      chaos.Fault = "all_clocks_leapt"

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

	refusalRemembered chaos.Fault = "refusal_remembered"
	callNotApplied    chaos.Fault = "call_not_applied"
	callUnknown       chaos.Fault = "call_unknown"

	claimBusy        chaos.Fault = "claim_busy"
	claimTakenOver   chaos.Fault = "claim_taken_over"
	sealTooEarly     chaos.Fault = "seal_too_early"
	publishedTwice   chaos.Fault = "published_twice"
	publishedNothing chaos.Fault = "published_0"
	idMovedOn        chaos.Fault = "id_after_seal"
	calledTwice      chaos.Fault = "called_twice"
	calledAgain      chaos.Fault = "called_again"
	clocksDisagree   chaos.Fault = "clocks_disagree"
	sealedAhead      chaos.Fault = "window_ahead_of_all_clocks_sealed"
	forbiddenRefused chaos.Fault = "forbidden_endpoint"
)
