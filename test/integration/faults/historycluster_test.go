package faults_test

import (
	"log/slog"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// P11: every bucket of every page of a Redis Cluster has the visits that were acknowledged in it,
// while masters are killed whose replicas lag, replicas take over, and slots move. What a
// replica lacked is repeated when the next bucket has begun. Compactions change nothing.
func TestP11EveryBucketIsExactOverFailoversOfARedisCluster(t *testing.T) {
	t.Parallel()
	pages, items, visits := 1000, 100, int64(10_000)
	if service.Long() {
		pages, items, visits = 10_000, 2000, 1_000_000
	}
	all := servers.StartClusterWithClock(t, 3, 1, "--repl-ping-replica-period", "1")
	// Servers of a cluster whose clocks go back would take each other for dead.
	c := newChronicle(t, service.NewClusterRing(t, all, ""), time.Now().UTC().Truncate(quarter).Add(quarter), pages, items, true)
	r := &redisCluster{c.Ring, all}
	r.AwaitHealthy()

	var old, replica *servers.Redis
	c.next(visits/2, true, func() {
		if service.Long() {
			r.kill(0, c.goesOn)
			if tail := r.killCutOff(1, c.goesOn); tail < 2_000 {
				t.Errorf("the replica lacked %d bytes, want a tail of some seconds", tail)
			}
		}
		c.goesOn()
		old, replica = r.cutOff(2)
		c.goesOn()
	})
	if tail := r.offset(old, "master_repl_offset") - r.offset(replica, "slave_repl_offset"); tail < 2_000 {
		t.Errorf("the replica lacks %d bytes, want a tail", tail)
	}
	old.Kill()
	service.WaitFor(t, "the replica takes over", func() bool { return r.master(2) == replica })
	c.next(visits/2, true, func() {
		c.goesOn()
		check.Must(t, old.Start())
		r.AwaitHealthy()
		old = r.master(0)
		r.Promote(r.Replicas(old)[0])
		service.WaitFor(t, "the replica has the slots", func() bool { return r.master(0) != old })
		c.goesOn()
		if service.Long() {
			r.reshard(0)
		}
	})

	c.compactPartitions(r, 26*time.Hour)
	c.check("15m", quarter, false)
	day := 24 * time.Hour
	c.compactPartitions(r, 3*day)
	c.check("day", day, false)
	for i := range c.instances {
		check.Equal(t, c.Counter(c.instances[i].Load(), "footfall_batches_lost_total"), 0, "batches reported as lost")
	}
}

// compactPartitions compacts all partitions later, while no visit comes.
func (c *chronicle) compactPartitions(r *redisCluster, later time.Duration) {
	c.T.Helper()
	o := check.Value(redisnode.ParseClusterURL(r.URL("")))(c.T)
	o.Log = slog.New(slog.DiscardHandler)
	client := redisnode.NewCluster(o)
	defer func() { _ = client.Close() }()
	c.setClocks(later)
	r.AwaitHealthy()
	for _, p := range client.Partitions() {
		c.compactAll(p)
	}
	for n := range 3 {
		check.Equal(c.T, c.openBuckets(r.master(n)), 0, "buckets that are left")
	}
}
