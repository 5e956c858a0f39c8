package faults_test

import (
	"flag"
	"os/exec"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

var allOfCluster = flag.Bool("cluster.all", false, "each fault of a Redis Cluster several times, in each of its masters")

// redisCluster is a deployment on a Redis Cluster of 3 masters and 3 replicas.
type redisCluster struct {
	*service.Ring
	*servers.Cluster
}

func newRedisCluster(t *testing.T, query string) *redisCluster {
	t.Helper()
	c := servers.StartCluster(t, 3, 1, "--repl-ping-replica-period", "1")
	r := service.NewClusterRing(t, c, query)
	r.Env = []string{"FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=300ms"}
	return &redisCluster{r, c}
}

// master is that of one of three parts of the slots.
func (c *redisCluster) master(n int) *servers.Redis { return c.Master(n%3*16384/3 + 512) }

// kill kills a master under load, and returns when its replica serves and it follows that.
func (c *redisCluster) kill(n int, goesOn func()) {
	c.T.Helper()
	old := c.master(n)
	old.Kill()
	service.WaitFor(c.T, "a replica takes over", func() bool { return c.master(n) != old })
	goesOn()
	check.Must(c.T, old.Start())
	c.AwaitHealthy()
}

// offset is how much of the stream of replication a server has.
func (c *redisCluster) offset(s *servers.Redis, of string) int {
	c.T.Helper()
	n, ok := c.Offset(s, of)
	if !ok {
		c.T.Fatalf("%s has no %s", s.Addr, of)
	}
	return n
}

// cutOff cuts off the replica of a master.
func (c *redisCluster) cutOff(n int) (master, replica *servers.Redis) {
	master = c.master(n)
	c.Cluster.Do(master, "acl", "setuser", "default", "-psync", "-sync", "-replconf")
	c.Cluster.Do(master, "client", "kill", "type", "replica")
	return master, c.Replicas(master)[0]
}

// killCutOff kills a master whose replica was cut off for some seconds, and returns the
// bytes that the replica lacked.
func (c *redisCluster) killCutOff(n int, goesOn func()) (tail int) {
	c.T.Helper()
	old, replica := c.cutOff(n)
	time.Sleep(2 * time.Second) // the lag
	old.Freeze()
	old.Thaw()
	tail = c.offset(old, "master_repl_offset") - c.offset(replica, "slave_repl_offset")
	old.Kill()
	service.WaitFor(c.T, "the replica takes over", func() bool { return c.master(n) != old })
	goesOn()
	check.Must(c.T, old.Start()) // its users are those of its start
	c.AwaitHealthy()
	return tail
}

// partitions names the master of each of 16 partitions.
func (c *redisCluster) partitions() (masters string) {
	for p := range 16 {
		masters += c.Master(p*1024+512).Addr + " "
	}
	return masters
}

// reshard moves slots with partitions to another master under load.
func (c *redisCluster) reshard(n int) {
	c.T.Helper()
	from, to := c.master(n), c.master(n+1)
	if from == to {
		to = c.master(n + 2)
	}
	before := c.partitions()
	out, err := exec.CommandContext(c.T.Context(), "redis-cli", "--cluster", "reshard", from.Addr, "--cluster-from", c.ID(from),
		"--cluster-to", c.ID(to), "--cluster-slots", "2000", "--cluster-yes").CombinedOutput()
	if err != nil {
		c.T.Fatalf("reshard: %v\n%s", err, out)
	}
	c.AwaitHealthy()
	if strings.Count(string(out), "Moving slot ") < 2000 || before == c.partitions() {
		c.T.Fatalf("no partition has moved:\n%.2000s", out)
	}
}

// X9: masters are killed, also ones whose replica lags, replicas take over gracefully, and
// slots with partitions are moved, while two instances count. No visit is lost or doubled,
// and each window has one number with all acknowledged ids in it.
func TestX9ARedisClusterCountsExactlyOverFailoversAndResharding(t *testing.T) {
	t.Parallel()
	c := newRedisCluster(t, "")
	d, e := c.Deployment(), c.Deployment()
	one, two := d.Start(), e.Start()
	published := func() int64 {
		reports, _ := service.Reports(t, d, e) // one number for each window
		return service.Total(reports)
	}
	ids := sendIDs(t, c.Ring, one)
	visits := service.NewTraffic(c.Ring, service.PageNames(200), one, two).Start(8, 0)
	goesOn := func() { visits.GoesOn(300) }
	goesOn()

	kills, cuts, others := 1, 1, 1
	if *allOfCluster {
		kills, cuts, others = 5, 4, 3
	}
	for n := range kills {
		c.kill(n, goesOn)
	}
	for n := range cuts {
		if tail := c.killCutOff(n, goesOn); tail < 2_000 {
			t.Errorf("the replica lacked %d bytes, want a tail of some seconds", tail)
		} else {
			t.Logf("the replica lacked %d bytes", tail)
		}
	}
	for n := range others {
		old := c.master(n)
		c.Promote(c.Replicas(old)[0])
		service.WaitFor(t, "the replica has the slots", func() bool { return c.master(n) != old })
		goesOn()
		c.AwaitHealthy()
	}
	for n := range others {
		c.reshard(n)
		goesOn()
	}

	ids.stop()
	visits.Check()
	service.WaitFor(t, "all ids in published counts", func() bool { return published() >= ids.acked.Load() })
	if total := published(); total > ids.acked.Load()+ids.unknown.Load() {
		t.Errorf("%d ids are published, %d were acknowledged and %d are in doubt", total, ids.acked.Load(), ids.unknown.Load())
	}
	for _, in := range []*service.Instance{one, two} {
		check.Equal(t, c.Counter(in, "footfall_batches_lost_total"), 0, "batches reported as lost")
	}
}
