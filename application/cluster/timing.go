package cluster

import (
	"time"

	"footfall/application/groupcommit"
)

// The time-outs of calls of nodes, and of changes of the ring. They depend on each
// other, so they stand together; timing_test.go checks the relations.
const (
	// CallTimeout bounds one call of a node. It is also how long a caller waits
	// for a batch, so that reads and writes fail after the same time.
	CallTimeout = groupcommit.Deadline

	// glance bounds the question how far a node is, and that for its ring: a node
	// that hangs must not hold up callers that wait for a newer ring. Both fit
	// into half a CallTimeout.
	glance = CallTimeout / 4

	// takeOver is how long a node may stay fenced above its open epoch before
	// other instances resolve the change.
	takeOver = time.Second

	// FenceTime bounds Preparing. It is shorter than takeOver, so that the
	// coordinator itself rolls back a change for which it can't fence all nodes.
	FenceTime = takeOver * 7 / 10

	// voteTime bounds each phase of a ballot of which a majority is enough. No
	// node serves meanwhile, so it is shorter than CallTimeout.
	voteTime = takeOver * 4 / 10

	// resolveTries bounds the ballots of one Resolve; the next poll tries again.
	// The first pauses between them are random, up to resolvePause, and double.
	resolveTries = 4
	resolvePause = 20 * time.Millisecond

	// EndingTime is for Opening and Resolving after the request of the change has
	// ended: at least one ballot of glance and two votes.
	EndingTime = 2 * CallTimeout

	// SyncTime bounds calls that wait for a disk. A store that syncs once a second
	// may need two syncs, which take longer on a busy disk.
	SyncTime = 6 * time.Second

	// rerouteTime bounds the attempts to reroute one batch. Several changes may
	// have to be resolved meanwhile, each after a takeOver.
	rerouteTime = 30 * time.Second
	// reroutePause is the pause after a node refused a rerouted item.
	reroutePause = CallTimeout / 10

	// KeyedTime bounds the retries of a request with an idempotency key while the
	// ring changes: each is a look-up at the source and a batch.
	KeyedTime = CallTimeout + groupcommit.Deadline

	// pollEvery is the pause between two polls of the nodes, with as much again at
	// random. pollChanging is the same while a change is under way, so that
	// takeOver is noticed in time. pollStart is the pause at the start.
	pollEvery    = time.Second
	pollChanging = pollStart / 2
	pollStart    = takeOver / 10

	// quietStart is how long a start waits for nodes before it says so.
	quietStart = 2 * time.Second
)
