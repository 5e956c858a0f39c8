// Package redismodel_test runs whole instances of the service against real
// Redis servers in real time, while requests and replies get lost, late and
// repeated, TCP connections are cut, and instances and servers are killed, and
// compares what was promised with what is there (design: batches, windows).
package redismodel_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/test/chaos"
)

var (
	lastsFlag = flag.Duration("redismodel.lasts", 9*time.Second, "how long everything goes wrong")
	seedFlag  = flag.Uint64("redismodel.seed", 0, "seed of what goes wrong; 0 takes one by the clock")
)

// storm is all that may go wrong without a server losing what it has.
func storm() plan {
	return plan{
		instances: 3, clients: 32, lasts: *lastsFlag, servers: true, sockets: true, closes: true,
		rates: rates{loseRequest: 0.03, loseReply: 0.03, delay: 0.008, duplicate: 0.7},
	}
}

// drizzle is enough of it to find a defect soon.
func drizzle() plan {
	return plan{
		instances: 2, clients: 16, lasts: 1500 * time.Millisecond,
		rates: rates{loseRequest: 0.05, loseReply: 0.1, duplicate: 0.7},
	}
}

// Every promise about visits and ids holds while everything goes wrong, and
// after the kill -9 of every server.
func TestEveryPromiseHoldsOnRedisInAStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storm(), mutant{}, seed())
	w.run(t.Context())
	t.Logf("%s\nfaults:%s", w.summary(), w.counted)
	for _, v := range w.violations[:min(20, len(w.violations))] {
		t.Errorf("-redismodel.seed=%d: %s", w.seed, v)
	}
	for _, f := range w.counted.Missing(wanted()) {
		t.Errorf("the fault %s did not happen, so that nothing is proved about it", f)
	}
}

// Each defect breaks a promise that the model checks, within a few runs.
func TestEveryDefectIsFoundOnRedis(t *testing.T) {
	t.Parallel()
	const tries = 10
	for _, c := range []struct {
		name   string
		mutant mutant
	}{
		{"a node without a memory of batches", mutant{atNode: func(n cluster.Node) cluster.Node { return &chaos.Forgetful{Node: n} }}},
		{"a duplicate is answered without its refusals", mutant{atNode: func(n cluster.Node) cluster.Node { return chaos.Lenient{Node: n} }}},
		{"a batch in doubt is taken for one not applied", mutant{atClient: func(n cluster.Node) cluster.Node { return chaos.Confident{Node: n} }}},
		{"a key that is kept is not seen", mutant{text: "if print then return print end", other: "if print then return       end"}},
		{"a script that breaks off where an item can't be applied", mutant{text: "redis.pcall", other: "redis.call "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for try := range tries {
				w := newWorld(t, drizzle(), c.mutant, seed()+uint64(try))
				w.run(t.Context())
				for _, v := range w.violations {
					if strings.HasPrefix(v, "P") {
						t.Logf("run %d: %s", try+1, v)
						return
					}
				}
			}
			t.Errorf("%d runs did not show that a promise is broken", tries)
		})
	}
}

// The runs that find defects find none where there is none.
func TestADrizzleBreaksNoPromiseOnRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drizzle(), mutant{}, seed())
	w.run(t.Context())
	for _, v := range w.violations {
		t.Errorf("-redismodel.seed=%d: %s", w.seed, v)
	}
}

func seed() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return uint64(time.Now().UnixNano())
}

// summary is the books in one line.
func (w *world) summary() string {
	var acked, denied, doubt int64
	for _, a := range w.pages {
		pageAcked, pageDenied, pageDoubt := a.Totals()
		acked, denied, doubt = acked+pageAcked, denied+pageDenied, doubt+pageDoubt
	}
	return fmt.Sprintf("visits %d acknowledged, %d unknown, %d refused; ids %d acknowledged of %d, windows %d",
		acked, doubt, denied, len(w.acked), len(w.sent), len(w.reports))
}

// until waits for something, but not longer than d.
func until(ctx context.Context, d time.Duration, so func() bool) {
	for end := time.Now().Add(d); ctx.Err() == nil && time.Now().Before(end) && !so(); {
		time.Sleep(20 * time.Millisecond)
	}
}

// The faults, and the consequences that show that a protocol's corner was
// reached.
const (
	lostRequest       chaos.Fault = "lost_request"
	lostReply         chaos.Fault = "lost_reply"
	delayed           chaos.Fault = "delayed"
	duplicated        chaos.Fault = "duplicated"
	instanceKilled    chaos.Fault = "instance_killed"
	nodeKilled        chaos.Fault = "node_killed"
	nodeFrozen        chaos.Fault = "node_frozen"
	scriptsForgotten  chaos.Fault = "scripts_forgotten"
	replyCut          chaos.Fault = "tcp_reply_cut"
	replyDropped      chaos.Fault = "tcp_reply_dropped"
	socketRefused     chaos.Fault = "tcp_refused"
	socketStalled     chaos.Fault = "tcp_stalled"
	batchDuplicate    chaos.Fault = "batch_duplicate"
	refusalRemembered chaos.Fault = "refusal_remembered"
	callNotApplied    chaos.Fault = "call_not_applied"
	callUnknown       chaos.Fault = "call_unknown"
	answeredInDoubt   chaos.Fault = "answered_504"
	answeredRefused   chaos.Fault = "answered_503"
	overflowRefused   chaos.Fault = "overflow_refused"
	readFailed        chaos.Fault = "read_failed"
	publishedTwice    chaos.Fault = "published_twice"
	keyRepeated       chaos.Fault = "key_repeated"
)

// wanted are the faults without which a storm proves nothing.
func wanted() []chaos.Fault {
	return append(chaos.CrashAtSteps(),
		lostRequest, lostReply, delayed, duplicated, instanceKilled, nodeKilled, nodeFrozen, scriptsForgotten,
		replyCut, replyDropped, socketRefused, socketStalled, batchDuplicate, refusalRemembered, callNotApplied,
		callUnknown, answeredInDoubt, answeredRefused, overflowRefused, readFailed,
		publishedTwice, keyRepeated,
	)
}
