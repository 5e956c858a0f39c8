package servers

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// clusterTimeout is the cluster-node-timeout: a replica takes over about 2 s later.
const clusterTimeout = 2 * time.Second

// slots is the number of slots of a cluster.
const slots = 16384

// Cluster is a Redis Cluster of redis-servers.
type Cluster struct {
	tb testing.TB
	// Servers are the masters at first, and then a replica of each, if there are any.
	Servers  []*Redis
	replicas bool
}

// StartCluster starts a cluster in which each master has as many slots and replicas as the
// others, with further arguments for all servers.
func StartCluster(tb testing.TB, masters, replicas int, args ...string) *Cluster {
	tb.Helper()
	return startCluster(tb, masters, replicas, false, args)
}

// StartClusterWithClock is StartCluster of servers whose clocks can be set.
func StartClusterWithClock(tb testing.TB, masters, replicas int, args ...string) *Cluster {
	tb.Helper()
	return startCluster(tb, masters, replicas, true, args)
}

func startCluster(tb testing.TB, masters, replicas int, clock bool, args []string) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, replicas: replicas > 0}
	for range masters * (1 + replicas) {
		_, bus, _ := net.SplitHostPort(FreeAddr(tb))
		c.Servers = append(c.Servers, startRedis(tb, nil, clock, nil, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-require-full-coverage", "no",
			"--cluster-node-timeout", strconv.FormatInt(clusterTimeout.Milliseconds(), 10),
			"--cluster-config-file", "nodes.conf", "--repl-diskless-sync-delay", "0",
			// A replica of a busy machine may have lost its master for long.
			"--cluster-replica-validity-factor", "0",
		}, args...)))
	}
	for i := range masters {
		c.Do(c.Servers[i], "cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		c.Do(c.Servers[i], "config", "set", "cluster-announce-ip", "127.0.0.1")
	}
	first := c.Servers[0]
	for _, s := range c.Servers[1:] {
		bus := c.Do(s, "config", "get", "cluster-port").([]any)[1]
		c.Do(first, "cluster", "meet", "127.0.0.1", s.Port(), bus)
	}
	c.await("all servers know each other", func() bool {
		for _, s := range c.Servers {
			if nodes := c.nodes(s); strings.Count(nodes, "connected") != len(c.Servers) || strings.Contains(nodes, "handshake") {
				return false
			}
		}
		return true
	})
	for i, s := range c.Servers[masters:] {
		c.Do(s, "cluster", "replicate", c.ID(c.Servers[i%masters]))
	}
	c.AwaitHealthy()
	return c
}

// Do is a command of the test's own at one server.
func (c *Cluster) Do(s *Redis, args ...any) any {
	c.tb.Helper()
	v, err := c.Try(s, args...)
	if err != nil {
		c.tb.Fatalf("%v on %s: %v", args, s.Addr, err)
	}
	return v
}

// Try is Do for a command that may fail.
func (c *Cluster) Try(s *Redis, args ...any) (any, error) {
	client := s.Client()
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return client.Do(ctx, args...).Result()
}

func (c *Cluster) nodes(s *Redis) string {
	text, _ := c.Try(s, "cluster", "nodes")
	return fmt.Sprint(text)
}

// ID is the name of a server in the cluster.
func (c *Cluster) ID(s *Redis) string { return fmt.Sprint(c.Do(s, "cluster", "myid")) }

// AwaitHealthy returns when the cluster is Healthy.
func (c *Cluster) AwaitHealthy() {
	c.tb.Helper()
	c.await("the cluster is healthy", c.Healthy)
}

// Healthy tells whether all slots have a master, all servers that run agree, and their
// replicas follow. Where there are replicas, each other server has slots, and one of them once
// all run: a server that is back first takes itself for a master, or may follow another one.
func (c *Cluster) Healthy() bool {
	var all string
	for _, s := range c.running() {
		info, _ := c.Try(s, "cluster", "info")
		role, _ := c.Try(s, "info", "replication")
		if !strings.Contains(fmt.Sprint(info), "cluster_state:ok") || !strings.Contains(fmt.Sprint(info), "cluster_slots_ok:16384") ||
			strings.Contains(fmt.Sprint(role), "master_link_status:down") || c.replicas && c.isAlone(s) {
			return false
		}
		view, owner := "", c.owners(s)
		for slot := 0; slot < slots; slot += slots / 16 {
			view += owner(slot) + " "
		}
		if all != "" && view != all {
			return false
		}
		all = view
	}
	return true
}

// isAlone tells whether a server takes itself for a master, and has no slots, or though all servers
// run no replica, or one that it does not know of yet.
func (c *Cluster) isAlone(s *Redis) bool {
	nodes := c.nodes(s)
	for line := range strings.Lines(nodes) {
		if strings.Contains(line, "myself,master") {
			fields := strings.Fields(line) // id address flags master ping pong epoch link, and then slots
			known, follow := strings.Count(nodes, "slave "+fields[0]), len(c.Replicas(s))
			return len(fields) == 8 || len(c.running()) == len(c.Servers) && (follow == 0 || known < follow)
		}
	}
	return false
}

func (c *Cluster) running() (all []*Redis) {
	for _, s := range c.Servers {
		if s.Running() {
			all = append(all, s)
		}
	}
	return all
}

// owners asks a server for the masters of all slots. The result returns the port of the
// master of a slot.
func (c *Cluster) owners(s *Redis) func(slot int) (port string) {
	v, _ := c.Try(s, "cluster", "slots")
	ranges, _ := v.([]any)
	return func(slot int) string {
		for _, r := range ranges {
			fields := r.([]any)
			if fields[0].(int64) <= int64(slot) && int64(slot) <= fields[1].(int64) {
				return fmt.Sprint(fields[2].([]any)[1])
			}
		}
		return ""
	}
}

// Master is the master of a slot as the servers that run agree.
func (c *Cluster) Master(slot int) *Redis {
	c.tb.Helper()
	var master *Redis
	c.await(fmt.Sprintf("slot %d has a master", slot), func() bool {
		all := c.running()
		port := c.owners(all[0])(slot)
		for _, s := range all {
			if c.owners(s)(slot) != port {
				return false
			}
			if strconv.Itoa(s.Port()) == port {
				master = s
			}
		}
		return master != nil
	})
	return master
}

// Replicas are the running replicas of a server.
func (c *Cluster) Replicas(of *Redis) (all []*Redis) {
	id := c.ID(of)
	for _, s := range c.running() {
		for line := range strings.Lines(c.nodes(s)) {
			if strings.Contains(line, "myself,slave "+id) {
				all = append(all, s)
			}
		}
	}
	return all
}

// Promote lets a replica take over from its master gracefully. A replica of a busy machine
// tries for 5 s, and is asked again.
func (c *Cluster) Promote(replica *Redis) {
	c.tb.Helper()
	var asked time.Time
	c.await(replica.Addr+" is a master", func() bool {
		if time.Since(asked) > 6*time.Second {
			_, _ = c.Try(replica, "cluster", "failover")
			asked = time.Now()
		}
		return c.isMaster(replica)
	})
}

// OpenSlot begins the migration of a slot by hand.
func (c *Cluster) OpenSlot(slot int, from, to *Redis) {
	c.tb.Helper()
	c.Do(to, "cluster", "setslot", slot, "importing", c.ID(from))
	c.Do(from, "cluster", "setslot", slot, "migrating", c.ID(to))
}

// Migrate moves some keys of an open slot, all of them if none are named.
func (c *Cluster) Migrate(slot int, from, to *Redis, keys ...string) {
	c.tb.Helper()
	if len(keys) == 0 {
		for _, key := range c.Do(from, "cluster", "getkeysinslot", slot, 1_000_000).([]any) {
			keys = append(keys, fmt.Sprint(key))
		}
	}
	for some := range slices.Chunk(keys, 100) {
		args := []any{"migrate", "127.0.0.1", to.Port(), "", 0, 5000, "keys"}
		for _, key := range some {
			args = append(args, key)
		}
		c.Do(from, args...)
	}
}

// CloseSlot ends the migration of a slot: to has it, which is given to all masters.
func (c *Cluster) CloseSlot(slot int, to *Redis) {
	c.tb.Helper()
	id := c.ID(to)
	c.Do(to, "cluster", "setslot", slot, "node", id)
	for _, s := range c.running() {
		if s != to {
			_, _ = c.Try(s, "cluster", "setslot", slot, "node", id) // a replica refuses, and learns of it
		}
	}
}

// EndMigration lets a master forget the migration of a slot to or from it. Redis before 8.4
// does so in a failover, and Valkey goes on with the migration.
func (c *Cluster) EndMigration(slot int, at *Redis) {
	c.tb.Helper()
	c.Do(at, "cluster", "setslot", slot, "stable")
}

func (c *Cluster) await(what string, is func() bool) {
	c.tb.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			var all strings.Builder
			for _, s := range c.running() {
				fmt.Fprintf(&all, "%s:\n%s", s.Addr, c.nodes(s))
			}
			c.tb.Fatalf("not within a minute: %s\n%s", what, all.String())
		}
	}
}

// Client is a client for the keys of all slots, past the service.
func (c *Cluster) Client() *redis.ClusterClient {
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, DisableIdentity: true})
	c.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// URL is that of the store, with a query if there is one.
func (c *Cluster) URL(query string) string {
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr)
	}
	return "redis+cluster://" + strings.Join(addrs, ",") + query
}
