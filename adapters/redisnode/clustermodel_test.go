package redisnode_test

import (
	"flag"
	"strings"
	"testing"

	"footfall/test/chaos"
)

var (
	clusterSeed   = chaos.Seed("cluster.seed")
	clusterRounds = flag.Int("cluster.rounds", 1, "how often each fault happens in the model of a Redis Cluster")
)

// clusterMutant is a defect, with what shows it.
type clusterMutant struct {
	name string
	// text is replaced by other in all that is sent.
	text, other  string
	keepsNothing bool
	retries      bool
	trusts       bool
	schedule     []clusterFault
}

var clusterFaults = []chaos.Fault{
	masterKilled, tailLost, masterSwitched, slotMoved, movedAfterLag, slotRefused, keysLeft, stateLeft, idsLeft, pageMissing, keysBack,
	replyLost, batchRepeated, chaos.BatchGap, chaos.AnsweredRefused, chaos.KeyRepeated, chaos.ReadFailed,
	clocksLeapt, leaptAfterLag, historyLeft, historyMissing, compactRetried, daySummed,
}

// X9, X10, P11: every promise holds over a Redis Cluster: masters die, also ones whose replica
// lags, replicas take over, slots move, and stay half moved, replies are lost, and days pass.
func TestX9X10EveryPromiseHoldsOnARedisClusterInAStorm(t *testing.T) {
	t.Parallel()
	chaos.Storm(t, 1, 6, clusterFaults, func(n int) chaos.Result {
		seed := clusterSeed() + uint64(n)
		d := chaos.NewDice(seed, "schedule")
		var schedule []clusterFault
		for range *clusterRounds {
			all := []clusterFault{killMaster, moveAfterALag, switchMaster, moveSlot, leaveMarks, leavePages, leaveHistory, leaveAny, loseReplies, leapAfterALag}
			for len(all) > 0 {
				k := d.UpTo(len(all))
				schedule = append(schedule, all[k], leapClocks)
				all = append(all[:k:k], all[k+1:]...)
			}
		}
		return runCluster(t, seed, clusterMutant{schedule: schedule})
	})
}

func runCluster(t *testing.T, seed uint64, m clusterMutant) chaos.Result {
	t.Helper()
	w := newClusterWorld(t, seed, m)
	w.run(m.schedule)
	return w.result()
}

// Each defect of a partition breaks a promise.
func TestEveryDefectOfAPartitionIsFound(t *testing.T) {
	t.Parallel()
	for _, m := range []clusterMutant{
		{name: "no canary", text: "}:~", other: "}:T", schedule: []clusterFault{moveAfterALag}},
		{name: "no header", text: "HEADER) == 0", other: "HEADER) == 9", schedule: []clusterFault{leavePages}},
		{name: "keys that are made again", text: "P .. key) == 0", other: "P .. key) == 9", schedule: []clusterFault{leaveAny, leaveAny}},
		{name: "nothing kept", keepsNothing: true, schedule: []clusterFault{killMasterWithALag}},
		{name: "reads don't carry the session", trusts: true, schedule: []clusterFault{killMasterWithALag}},
		{name: "a client that retries", retries: true, schedule: []clusterFault{loseReplies, loseReplies, loseReplies}},
		{name: "the clock places a repetition", text: "if at == '0' then", other: "if at ~= nil then", schedule: []clusterFault{leapAfterALag}},
		{name: "no look for a bucket", text: "if not found and is_gone(", other: "if 1 ==found and is_gone(", schedule: []clusterFault{leaveHistory, leaveHistory}},
		{name: "no look for a list", text: "if not list and is_partition then return", other: "if not list and redis == nil then return", schedule: []clusterFault{leaveHistory, leaveHistory}},
		{name: "marks beside the state", text: "if is_partition then SESSIONS", other: "if redis == nil then SESSIONS", schedule: []clusterFault{leaveMarks}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			promise := func(v string) bool { return strings.HasPrefix(v, "P") }
			chaos.Find(t, 3, promise, func(try int) chaos.Result { return runCluster(t, clusterSeed()+uint64(try), m) })
		})
	}
}
