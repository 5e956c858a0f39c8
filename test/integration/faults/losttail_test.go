package faults_test

import (
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// X11: a master of a Redis Cluster is killed while its replica is cut off, and from then on
// pages are only read. None reads less than was acknowledged, and what the new master lacks
// comes back without another visit.
func TestX11WhatAFailoverOfAClusterLostComesBackWithoutAVisit(t *testing.T) {
	t.Parallel()
	c := newRedisCluster(t, "")
	in := c.Deployment().Start()
	visits := service.NewTraffic(c.Ring, service.PageNames(100), in).Start(8, 0)
	visits.GoesOn(300)
	old, replica := c.cutOff(0)
	visits.GoesOn(300)
	visits.Stop()
	tail := c.offset(old, "master_repl_offset") - c.offset(replica, "slave_repl_offset")
	readAlone(t, c.Ring, visits, in, tail, func() {
		old.Kill()
		service.WaitFor(t, "the replica takes over", func() bool { return c.master(0) != old })
	})
}

// X11: the same with a replica of one server, which is promoted at its address.
func TestX11WhatAFailoverOfAServerLostComesBackWithoutAVisit(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	in := f.Deployment().Start()
	visits := service.NewTraffic(f.Ring, service.PageNames(100), in).Start(8, 0)
	visits.GoesOn(300)
	f.link.Stall()
	visits.GoesOn(300)
	visits.Stop()
	readAlone(t, f.Ring, visits, in, f.tail(), func() {
		f.primary.Kill()
		f.promote()
	})
}

// readAlone reads the pages during a failover that loses a tail of some bytes, and after it
// until they have all of their visits again.
func readAlone(t *testing.T, r *service.Ring, visits *service.Traffic, in *service.Instance, tail int, failOver func()) {
	t.Helper()
	if tail < 2_000 {
		t.Fatalf("the replica lacks %d bytes, want a tail", tail)
	}
	t.Logf("the replica lacks %d bytes", tail)
	reads := service.NewTraffic(r, visits.Pages, in)
	reads.Books = visits.Books
	reads.Start(0, 8)
	before := r.Counter(in, "footfall_batch_items_count")
	failOver()
	r.MustRead(in, visits.Pages...)
	reads.Check()
	if sent := r.Counter(in, "footfall_batch_items_count") - before; sent < 3 {
		t.Errorf("%d batches were sent after the failover: nothing was repeated", sent)
	}
	check.Equal(t, r.Counter(in, "footfall_batches_lost_total"), 0, "batches reported as lost")
}
