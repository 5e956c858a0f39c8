package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// slot is that of the first partition.
const slot = 32

// parting is a partition on a master of a cluster. Its slot can move to another master.
type parting struct {
	partition
	from, to *servers.Redis
}

// openMoving opens the partition of a cluster, as the only node of a ring.
func openMoving(t *testing.T, replicas int) parting {
	t.Helper()
	c := servers.StartCluster(t, 3, replicas)
	p := join(t, openPartition(t, c, 0, 1))
	from := c.Master(slot)
	to := c.Servers[0]
	if to == from {
		to = c.Servers[1]
	}
	return parting{p, from, to}
}

// apply sends a batch for a moment.
func (p partition) apply(t *testing.T, b *counting.Batch) (counting.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return p.Apply(ctx, b)
}

// read reads the pages of visits.
func (p partition) read(t *testing.T) (tallies []counting.Tally, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var pages []counting.Located
	for _, v := range visits(1).Visits {
		pages = append(pages, counting.Located{Arc: v.Arc, Page: v.Page})
	}
	return p.Read(ctx, counting.Expected{Epoch: 1}, pages)
}

// X10: while some of a slot's keys are at another master, no script of the partition runs,
// wherever its state is. What was refused meanwhile had no effect, and counts once.
func TestX10NoScriptRunsBesideAPartOfItsKeys(t *testing.T) {
	t.Parallel()
	for _, moved := range []string{"a page", "the state"} {
		t.Run(moved+" has moved", func(t *testing.T) {
			t.Parallel()
			p := openMoving(t, 0)
			check.Value(p.Apply(t.Context(), visits(1)))(t)
			key := p.key("c:1")
			if moved == "the state" {
				key = p.key("T")
			}
			p.cluster.OpenSlot(slot, p.from, p.to)
			p.cluster.Migrate(slot, p.from, p.to, key)
			for range 3 {
				if r, err := p.apply(t, visits(2)); err == nil {
					t.Errorf("the batch was applied: %+v", r)
				}
			}
			if tallies, err := p.read(t); err == nil {
				t.Errorf("it reads %v", tallies)
			}
			p.cluster.Migrate(slot, p.from, p.to)
			p.cluster.CloseSlot(slot, p.to)
			eventually(t, func() bool { _, err := p.apply(t, visits(2)); return err == nil })
			check.Value(p.Apply(t.Context(), visits(3)))(t)
			for _, tally := range p.reads(t) {
				check.Equal(t, tally, counting.Tally{Visits: 3}, "visits")
			}
			check.Equal(t, string(p.Host()), "redis_127.0.0.1_"+p.to.Addr[len("127.0.0.1:"):], "host")
		})
	}
}

// X10: a failover, or an operator after it, ends a migration, and some keys stay at the
// other master. Their pages have no number, also for visits that come later, and the others
// go on. When the keys are back, nothing is lost.
func TestX10PagesThatAFailoverLeftBehindHaveNoNumber(t *testing.T) {
	t.Parallel()
	p := openMoving(t, 1)
	one := visits(1)
	one.Clock, one.EndpointLimit = conformance.AnyTime(), 10
	one.IDEvents = []counting.IDEvent{{ID: 7, Endpoint: "http://a.example/", Table: 1}, {ID: 8, Table: 1}}
	check.Value(p.Apply(t.Context(), one))(t)
	w := check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	left := append(idKeys(t, p), p.key("c:1"))
	p.cluster.OpenSlot(slot, p.from, p.to)
	p.cluster.Migrate(slot, p.from, p.to, left...)
	p.cluster.AwaitReplicas(p.from)
	replica := p.cluster.Replicas(p.from)[0]
	p.from.Kill()
	p.cluster.AwaitTakeover(replica)
	p.cluster.EndMigration(slot, replica)

	missing := []int{1}
	want := func() {
		t.Helper()
		for i, tally := range p.reads(t) {
			if lacks := len(missing) > 0 && missing[0] == i; lacks != errors.Is(tally.Err, counting.Missing) || !lacks && tally.Err != nil {
				t.Errorf("page %d: %+v", i, tally)
			}
		}
	}
	want()
	r := p.applies(t, visits(2))
	check.Equal(t, fmt.Sprint(r.Refused), fmt.Sprint([]counting.Refusal{{Item: 1, Reason: counting.Missing}}), "refused")
	three := &counting.Batch{Epoch: 1, Session: "session", Seq: 3, KeyLimit: 10}
	three.Keyed = []counting.KeyedVisit{{Visit: counting.Visit{Arc: 1, Page: page(1), Count: 1}}}
	three.SetCounts = []counting.SetCount{{Arc: 1, Page: page(1), Count: 5}}
	check.Equal(t, fmt.Sprint(p.applies(t, three).Refused),
		fmt.Sprint([]counting.Refusal{{Item: 0, Reason: counting.Missing}, {Item: 1, Reason: counting.Missing}}), "refused")
	want()
	eventually(t, func() bool {
		return errors.Is(check.Err(p.List(t.Context(), counting.Expected{Epoch: 1}, "")), counting.Missing)
	})
	eventually(t, func() bool {
		return errors.Is(check.Err(p.Seal(t.Context(), w, -2*time.Hour, conformance.AnyTime())), counting.Corrupt)
	})

	for _, key := range left {
		p.cluster.Do(p.to, "migrate", "127.0.0.1", replica.Port(), key, 0, 5000)
	}
	p.cluster.EndMigration(slot, p.to)
	p.cluster.AwaitHealthy()
	missing = nil
	want()
	for i, tally := range p.reads(t) {
		check.Equal(t, tally.Visits, map[bool]int64{true: 1, false: 2}[i == 1], "visits")
	}
	check.Equal(t, check.Value(p.Seal(t.Context(), w, -2*time.Hour, conformance.AnyTime()))(t), 2, "ids")
}

// reads is read, again while the slots are read from the other master, which does not know
// of the failover.
func (p partition) reads(t *testing.T) (tallies []counting.Tally) {
	t.Helper()
	eventually(t, func() (ok bool) { tallies, ok = ok2(p.read(t)); return ok })
	return tallies
}

// applies is reads for a batch.
func (p partition) applies(t *testing.T, b *counting.Batch) (r counting.Receipt) {
	t.Helper()
	eventually(t, func() (ok bool) { r, ok = ok2(p.apply(t, b)); return ok })
	return r
}

func ok2[T any](v T, err error) (T, bool) { return v, err == nil }

// idKeys are the keys of the sets of ids.
func idKeys(t *testing.T, p parting) (keys []string) {
	t.Helper()
	client := p.from.Client()
	defer func() { _ = client.Close() }()
	keys = check.Value(client.Keys(t.Context(), "ff:*ids:*").Result())(t)
	if len(keys) == 0 {
		t.Fatal("there are no ids")
	}
	return keys
}

// X9: a step is not done while a replica lacks it that may be promoted, though it is not
// connected. Such a replica seals the window for the first time.
func TestX9AStepWaitsForAReplicaThatMayBePromoted(t *testing.T) {
	t.Parallel()
	p := openMoving(t, 1)
	w := check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	replica := p.cluster.Replicas(p.from)[0]
	p.cluster.AwaitReplicas(p.from)
	p.cluster.Do(p.from, "acl", "setuser", "default", "-psync", "-sync", "-replconf")
	p.cluster.Do(p.from, "client", "kill", "type", "replica")
	eventually(t, func() bool {
		return !strings.Contains(fmt.Sprint(p.cluster.Do(p.from, "info", "replication")), "state=online")
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	_, err := p.Seal(ctx, w, -2*time.Hour, conformance.AnyTime())
	cancel()
	if err == nil {
		t.Error("the window is sealed, and no replica knows")
	}
	p.from.Kill()
	p.cluster.AwaitTakeover(replica)
	eventually(t, func() bool { _, err := p.Seal(t.Context(), w, -2*time.Hour, conformance.AnyTime()); return err == nil })
}
