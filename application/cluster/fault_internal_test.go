package cluster

import (
	"errors"
	"log/slog"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

// F6: a node that refused batches and then answers no call is away. What it said is no
// reason any more.
func TestF6ANodeThatIsAwaySaysNothing(t *testing.T) {
	var log check.Log
	f := &fault{node: "n1", log: slog.New(slog.NewTextHandler(&log, nil))}
	f.began(&counting.ServerError{Says: "OOM command not allowed", Err: counting.ErrNotApplied})
	check.Equal(t, f.refuses(), "OOM command not allowed", "what a full node says")
	check.Equal(t, f.polled(nil), true, "a full node is sent an empty batch")
	for range missedPolls {
		f.polled(errors.New("connection refused"))
	}
	check.Equal(t, f.refuses(), "", "what a node says that is away")
	check.Equal(t, log.Lines("connection refused"), 1, "lines about its absence")
	check.Equal(t, f.polled(nil), false, "a node that is back is sent an empty batch")
	check.Equal(t, log.Lines("node works again"), 1, "lines about its return")
}
