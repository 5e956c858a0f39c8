package cluster_test

import (
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
)

func TestTimeoutsThatDependOnEachOtherFit(t *testing.T) {
	x := cluster.Timing
	for rule, holds := range map[string]bool{
		"a read fails when a write does":                             cluster.CallTimeout == groupcommit.Deadline,
		"a search asks for the epoch and the ring in one call":       2*x.Glance <= cluster.CallTimeout,
		"a coordinator rolls back before others take over":           cluster.FenceTime < x.TakeOver,
		"a phase of a vote is shorter than all of Preparing":         x.Vote < cluster.FenceTime,
		"a coordinator has time for a ballot of its own":             x.Glance+2*x.Vote < cluster.EndingTime,
		"a ballot and a look fit between two polls":                  x.Glance+2*x.Vote < 2*x.PollEvery,
		"an interrupted change is noticed soon after takeOver":       2*x.PollChanging <= x.TakeOver/5,
		"a rerouted batch lives through several interrupted changes": x.Reroute >= 5*(x.TakeOver+x.Glance+2*x.Vote),
		"a request with a key has time for a look-up and a batch":    cluster.KeyedTime >= cluster.CallTimeout+groupcommit.Deadline,
		"a sync once a second has time for two slow syncs":           cluster.SyncTime >= 4*time.Second,
	} {
		if !holds {
			t.Error(rule)
		}
	}
}
