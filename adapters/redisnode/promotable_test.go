package redisnode_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// F37: a step waits for the replica that may be promoted, though another one has it that is
// never promoted. When the Sentinels find that replica down, steps go on.
func TestF37AStepWaitsForTheReplicaThatMayBePromoted(t *testing.T) {
	t.Parallel()
	sentinels, primary, replica := watched(t, 3)
	other := servers.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(primary.Port()), "--replica-priority", "0")
	sentinels.AwaitReplica(t, "m", other)
	n, _ := openMaster(t, sentinels.Addrs()+"/m", primary)
	join(t, n)
	w := check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	seal := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Seal(ctx, w, -2*time.Hour, conformance.AnyTime())
		return err
	}
	check.Must(t, doOn(t, replica, "config", "set", "masteruser", "none", "masterauth", "none"))
	n.do(t, "acl", "setuser", "none", "on", ">none", "+@all", "-psync", "-sync", "-replconf")
	n.do(t, "client", "kill", "addr", addrOf(t, replica))
	eventually(t, func() bool { return connectedTo(t, primary) == 1 })
	if seal() == nil {
		t.Error("the window is sealed, and the replica that may be promoted lacks it")
	}
	replica.Kill()
	eventually(t, func() bool { return seal() == nil })
}

// connectedTo is how many replicas are online.
func connectedTo(t *testing.T, primary *servers.Redis) int {
	t.Helper()
	c := primary.Client()
	defer func() { _ = c.Close() }()
	return strings.Count(check.Value(c.Info(t.Context(), "replication").Result())(t), "state=online")
}

// addrOf is the address from which a replica is connected to its primary.
func addrOf(t *testing.T, replica *servers.Redis) string {
	t.Helper()
	c := replica.Client()
	defer func() { _ = c.Close() }()
	for _, line := range strings.Split(check.Value(c.ClientList(t.Context()).Result())(t), "\n") {
		if !strings.Contains(line, "flags=M") {
			continue
		}
		for _, field := range strings.Fields(line) {
			if local, ok := strings.CutPrefix(field, "laddr="); ok {
				return local
			}
		}
	}
	t.Fatal("the replica has no connection to its primary")
	return ""
}

// F29: the user of the Sentinels whose rights are documented is enough, and one that may not
// ask for replicas is named at the start: no window could be sealed.
func TestF29TheRightsOfTheSentinelsUserAreChecked(t *testing.T) {
	t.Parallel()
	sentinels := servers.StartSentinels(t, 1, "sesame")
	server := servers.StartRedis(t)
	sentinels.Watch(t, "m", server)
	one := sentinels.All[0]
	one.Do(t, "acl", "setuser", "few", "on", ">few", "+sentinel|get-master-addr-by-name")
	one.Do(t, "acl", "setuser", "enough", "on", ">enough", "+sentinel|get-master-addr-by-name", "+sentinel|replicas")
	few, _ := openMaster(t, sentinels.Addrs()+"/m?sentinel_user=few&sentinel_password=few", server)
	wantUnusable(t, few, "the Sentinel "+one.Addr)
	_, err := few.RingState(t.Context())
	check.Says(t, err, "may not run SENTINEL REPLICAS")
	enough, _ := openMaster(t, sentinels.Addrs()+"/m?sentinel_user=enough&sentinel_password=enough", server)
	join(t, enough)
	w := check.Value(enough.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	check.OK(t, check.Err(enough.Seal(t.Context(), w, -2*time.Hour, conformance.AnyTime())))
}
