package cluster

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// F6: a node that refused batches and then answers no call is away. What it said is no
// reason any more.
func TestF6ANodeThatIsAwaySaysNothing(t *testing.T) {
	var log check.Log
	f := &fault{node: "n1", addr: func() string { return "n1:6379" }, log: slog.New(slog.NewTextHandler(&log, nil))}
	f.began(&counting.ServerError{Says: "OOM command not allowed", Err: counting.ErrNotApplied})
	check.Equal(t, f.refuses(), "OOM command not allowed", "what a full node says")
	check.Equal(t, f.polled(nil), true, "a full node is sent an empty batch")
	for range missedPolls {
		f.polled(errors.New("connection refused"))
	}
	check.Equal(t, f.refuses(), "", "what a node says that is away")
	check.Equal(t, log.Lines("node does not answer", "addr=n1:6379", "connection refused"), 1, "lines about its absence")
	check.Equal(t, f.polled(nil), false, "a node that is back is sent an empty batch")
	check.Equal(t, log.Lines("node works again"), 1, "lines about its return")
}

// N4: a fault that polls find began with the first poll that was missed.
func TestN4AFaultBeganWithTheFirstPollThatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fault{node: "n1", addr: func() string { return "n1:6379" }, log: slog.New(slog.DiscardHandler)}
		f.polled(nil)
		check.Equal(t, f.start(), time.Time{}, "the start without a fault")
		time.Sleep(time.Second)
		first := time.Now()
		for range 2 * missedPolls {
			f.polled(errors.New("connection refused"))
			check.Equal(t, f.start(), first, "the start of the fault")
			time.Sleep(time.Second)
		}
		f.polled(nil)
		check.Equal(t, f.start(), time.Time{}, "the start of a fault that has ended")
	})
}

// N4: since when a clock is wrong is known until it is right. The log names the address.
func TestN4AClockIsWrongSinceThatWasSeenFirst(t *testing.T) {
	var log check.Log
	c := &clock{node: "n1", addr: func() string { return "n1:6379" }, maxSkew: time.Minute, log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Date(2026, 11, 29, 15, 2, 11, 0, time.UTC)
	for i := range 3 {
		now := at.Add(time.Duration(i) * time.Second)
		c.measured(now, now, now.Add(-time.Hour))
		check.Equal(t, *c.wrong.Load(), at, "since when the clock is wrong")
	}
	check.Equal(t, log.Lines("clocks disagree, so ids for this node and reads of its history are refused", "node=n1", "addr=n1:6379", "ahead=-1h0m0s"), 1, "lines about the clock")
	c.measured(at, at, at)
	check.Equal(t, c.wrong.Load() == nil, true, "the clock is right")
	check.Equal(t, log.Lines("clocks agree again"), 1, "lines about its end")
}
