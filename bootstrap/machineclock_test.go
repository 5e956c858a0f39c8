package bootstrap_test

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// machineClock is the file of a servers.Clock. Both the embedded store and the instance
// go by it, as when the clock of their machine leaps. The scheduler, which only wakes the
// instance, does not: a leap by whole windows would not change when it does.
type machineClock string

func (c machineClock) offset() time.Duration {
	b, err := os.ReadFile(string(c))
	if err != nil || len(b) < 8 {
		panic(string(c) + " is not the file of a clock")
	}
	return time.Duration(binary.NativeEndian.Uint64(b))
}

func (c machineClock) now() time.Time { return time.Now().Add(c.offset()) }

// leapingNode gives a node, in each call that carries the time of the instance, that of
// the machine's clock.
type leapingNode struct {
	cluster.Node
	counting.Histories // by the real clock: a history is compacted while the clocks agree with that
	machine            machineClock
}

func (n leapingNode) leapt(c counting.Clock) counting.Clock {
	c.Now = c.Now.Add(n.machine.offset())
	return c
}

// Apply implements counting.Counts.
func (n leapingNode) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b
	sent.Clock = n.leapt(b.Clock)
	return n.Node.Apply(ctx, &sent)
}

// Heartbeat implements counting.Windows.
func (n leapingNode) Heartbeat(ctx context.Context, c counting.Clock) (counting.HeartbeatResult, error) {
	a, err := n.Node.Heartbeat(ctx, n.leapt(c))
	a.Now = a.Now.Add(-n.machine.offset())
	return a, err
}

// Seal implements counting.Windows.
func (n leapingNode) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	return n.Node.Seal(ctx, w, grace, n.leapt(c))
}
