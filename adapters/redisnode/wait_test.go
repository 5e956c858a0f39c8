package redisnode_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// F34, P2: a user that may not wait is refused before its first batch, which would be applied
// and then stay in doubt.
func TestF34TheRightToWaitIsChecked(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t, "--user", "ff", "on", ">pw", "~ff:*", "+@all", "-wait")
	user := "redis://ff:pw@" + s.Addr
	check.Is(t, check.Err(openURL(t, s, user).RingState(t.Context())), counting.ErrUninitialized)
	wantUnusable(t, openURL(t, s, user+"?wait=1"), "WAIT")
}

// F34: a node that waits for a replica acknowledges no batch that the replica lacks: it
// refuses it before it is applied if none is online, and leaves it unknown if none has it
// in time. That goes for all kinds of items, and for repetitions.
func TestF34ABatchIsAcknowledgedWhenAReplicaHasIt(t *testing.T) {
	t.Parallel()
	primary, replica := replicated(t)
	n := join(t, node{redisnode.New(redisnode.Options{ID: "redis_7070", Addr: primary.Addr, Wait: 1, Log: slog.New(slog.DiscardHandler)}), primary})
	t.Cleanup(func() { _ = n.Close() })
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	replica.Freeze()
	two := visits(2)
	two.Clock, two.EndpointLimit, two.KeyLimit = conformance.AnyTime(), 10, 10
	two.IDEvents = []counting.IDEvent{{ID: 7, Table: 1}}
	two.SetCounts = []counting.SetCount{{Page: "set", Count: 9}}
	says := 0 // a busy machine may not answer in time, and says nothing then
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Apply(ctx, two)
		answer := counting.ServerSays(err)
		if err == nil || errors.Is(err, counting.ErrNotApplied) || answer != "" && !strings.Contains(answer, "0 of 1 replicas") {
			t.Fatalf("%v while the replica hangs, want that the outcome is unknown", err)
		}
		if answer != "" {
			says++
		}
		return says == 2
	})
	replica.Thaw()
	check.OK(t, check.Err(n.Apply(t.Context(), two)))
	replica.Kill()
	client := primary.Client()
	defer func() { _ = client.Close() }()
	eventually(t, func() bool { return !strings.Contains(client.Info(t.Context(), "replication").Val(), "state=online") })
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Apply(ctx, visits(3))
		return errors.Is(err, counting.ErrNotApplied) && strings.Contains(counting.ServerSays(err), "0 of 1 replicas")
	})
	n.wantVisits(t, 2)
	check.Must(t, replica.Start())
	primary.Kill()
	promoted := open(t, n.ID(), replica)
	promoted.do(t, "replicaof", "no", "one")
	promoted.wantVisits(t, 2)
}
