package faults_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// P11: every bucket of every page has the visits that were acknowledged in it, and the totals are
// exact, while nodes and an instance are killed, arcs move to another node, and histories are
// compacted, also in the middle of a move and by nodes that are killed. At last the buckets are added up to a day, and expire.
func TestP11EveryBucketIsExactOverKillsARingChangeAndCompactions(t *testing.T) {
	t.Parallel()
	pages, items, visits := 2000, 250, int64(50_000)
	if service.Long() {
		pages, items, visits = 10_000, 2000, 1_000_000
	}
	first := time.Now().UTC().Add(-45 * time.Minute).Truncate(quarter)
	c := newChronicle(t, service.NewRingWithClocks(t, 3), first, pages, items, false)
	each := visits / 6

	c.next(each, false, func() {})
	c.next(each, true, func() {
		for _, s := range c.Servers {
			c.kill(s)
		}
	})
	c.compact()
	joining := c.AddServer()
	c.next(each, true, func() {
		service.WaitFor(t, "most visits are acknowledged", func() bool { return c.acked.Load() >= each })
		in := c.instances[0].Load()
		service.WaitFor(t, "the node is added", func() bool { // again, where a node of a busy machine answers late
			return in.Administer(http.MethodPost, "/ring/nodes", service.AddBody(joining)).Status == http.StatusOK || in.Ring().ID(joining.Addr) != ""
		})
		in.Midway(0.05)
		c.kill(c.Servers[0])
		in.Midway(0.1)
		c.kill(joining)
	})
	in := c.instances[0].Load()
	in.Midway(0.1)
	c.compact()
	c.next(each, true, func() {
		c.killInstance(1)
		in.Moved()
	})
	c.next(each, false, func() {})
	c.next(each, true, func() { c.kill(joining) })

	c.check("15m", quarter, false)
	day := 24 * time.Hour
	c.setClocks(3 * day)
	c.compactServers()
	c.setClocks(0)
	c.check("day", day, false)
	c.Ask(in, http.MethodGet, "/visits/"+c.pages[0]+"/history?step=15m", "").Want(t, http.StatusBadRequest, "resolution")
	c.setClocks(5 * day)
	c.compactServers()
	c.setClocks(0)
	c.check("day", day, true)
}

// kill kills a server under load, which meets requests, and starts it again.
func (c *chronicle) kill(s *servers.Redis) {
	c.T.Helper()
	before := c.failed.Load()
	s.Kill()
	service.WaitFor(c.T, "a request meets the kill", func() bool { return c.failed.Load() > before })
	check.Must(c.T, s.Start())
}

// killInstance kills an instance under load, which meets requests, and starts it again.
func (c *chronicle) killInstance(i int) {
	c.T.Helper()
	before := c.failed.Load()
	c.instances[i].Load().Kill()
	service.WaitFor(c.T, "a request meets the kill", func() bool { return c.failed.Load() > before })
	c.instances[i].Store(c.folders[i].Start())
}

// compact compacts all servers a day later, while no visit comes. Each is killed in the middle of that, and
// compacted again.
func (c *chronicle) compact() {
	c.T.Helper()
	c.setClocks(26 * time.Hour)
	defer c.setClocks(0)
	for _, s := range c.Servers {
		opened, cursor := c.openBuckets(s), ""
		for more := true; more; more = c.openBuckets(s) == opened && cursor != "" {
			cursor = c.compactPart(c.node(s), cursor)
		}
		var killed sync.WaitGroup
		killed.Go(s.Kill)
		_, _ = c.node(s).Compact(c.T.Context(), conformance.AnyTime(), cursor)
		killed.Wait()
		check.Must(c.T, s.Start())
		if left := c.openBuckets(s); left == 0 || left >= opened {
			c.T.Errorf("of %d buckets of %s %d are left when it is killed in the middle", opened, s.Addr, left)
		}
		c.compactAll(c.node(s))
		check.Equal(c.T, c.openBuckets(s), 0, "buckets of %s that are left, of %d", s.Addr, opened)
	}
}

// compactServers compacts all servers.
func (c *chronicle) compactServers() {
	c.T.Helper()
	for _, s := range c.Servers {
		c.compactAll(c.node(s))
	}
}

// compactAll compacts a node.
func (c *chronicle) compactAll(n counting.Histories) {
	c.T.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = c.compactPart(n, cursor)
	}
}

// compactPart compacts a part of a node, again while that of a busy machine answers late.
func (c *chronicle) compactPart(n counting.Histories, cursor string) (next string) {
	c.T.Helper()
	service.WaitFor(c.T, "a part is compacted", func() bool {
		var err error
		next, err = n.Compact(c.T.Context(), conformance.AnyTime(), cursor)
		return err == nil
	})
	return next
}

// node is a connection of the test's own to a server, past the service.
func (c *chronicle) node(s *servers.Redis) *redisnode.Node {
	if c.nodes[s] == nil {
		id := counting.NodeID(fmt.Sprint("redis_", s.Port()))
		n := redisnode.New(redisnode.Options{ID: id, Addr: s.Addr, Log: slog.New(slog.DiscardHandler)})
		c.T.Cleanup(func() { _ = n.Close() })
		c.nodes[s] = n
	}
	return c.nodes[s]
}

// openBuckets is the number of keys of open buckets of a server.
func (c *chronicle) openBuckets(s *servers.Redis) int {
	c.T.Helper()
	client := s.Client()
	defer func() { _ = client.Close() }()
	return len(check.Value(client.Keys(c.T.Context(), "ff*:h:*").Result())(c.T))
}
