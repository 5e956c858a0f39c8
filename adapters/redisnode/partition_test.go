package redisnode_test

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// partition is a Partition with the cluster behind it.
type partition struct {
	*redisnode.Partition
	client  *redisnode.Cluster
	cluster *servers.Cluster
}

// openPartition opens a partition of a cluster, which has as many as that.
func openPartition(tb testing.TB, cluster *servers.Cluster, number, of int) partition {
	tb.Helper()
	return openPartitionAs(tb, cluster, number, of, "", "")
}

func openPartitionAs(tb testing.TB, cluster *servers.Cluster, number, of int, user, password string) partition {
	tb.Helper()
	o := check.Value(redisnode.ParseClusterURL(cluster.URL(fmt.Sprintf("?partitions=%d", of))))(tb)
	o.Username, o.Password = user, password
	o.Log = slog.New(slog.DiscardHandler)
	client := redisnode.NewCluster(o)
	tb.Cleanup(func() { _ = client.Close() })
	return partition{client.Partitions()[number], client, cluster}
}

// key is one of the partition's keys.
func (p partition) key(format string, args ...any) string {
	return p.Prefix() + fmt.Sprintf(format, args...)
}

// do is a command of the test's own.
func (p partition) do(tb testing.TB, args ...any) {
	tb.Helper()
	check.Must(tb, p.cluster.Client().Do(tb.Context(), args...).Err())
}

// emptyClusters lends clusters of one server to cases. A cluster serves 2 s after its start.
type emptyClusters struct {
	test     testing.TB // outlives the cases
	user     string     // empty: the default one
	password string
	args     []string // of the server
	free     chan *servers.Cluster
}

// open opens a partition of an empty cluster.
func (e emptyClusters) open(t *testing.T) partition {
	t.Helper()
	var c *servers.Cluster
	select {
	case c = <-e.free:
		check.Must(t, c.Client().FlushAll(t.Context()).Err())
	default:
		c = servers.StartClusterWithClock(e.test, 1, 0, e.args...)
	}
	c.Servers[0].Clock.Shift(t, 0)
	c.Servers[0].Clock.Stop(t, 0)
	t.Cleanup(func() { e.free <- c })
	return e.partition(t, c, 0)
}

// partition is one of 16 of a cluster.
func (e emptyClusters) partition(t *testing.T, c *servers.Cluster, number int) partition {
	t.Helper()
	return openPartitionAs(t, c, number, 16, e.user, e.password)
}

// F29: a partition is a node as any other, and a user with the rights that are documented is
// enough.
func TestF29APartitionIsANodeForTheDocumentedUser(t *testing.T) {
	t.Parallel()
	docs := check.Value(os.ReadFile("../../docs/redis-cluster.md"))(t)
	more := regexp.MustCompile(`(?m)^ACL SETUSER footfall (.+)$`).FindSubmatch(docs)
	if more == nil {
		t.Fatal("docs/redis-cluster.md lists no rights")
	}
	user := append(documentedUser(t), strings.Fields(string(more[1]))...)
	testPartition(t, emptyClusters{test: t, user: "footfall", password: "secret", args: user})
}

func testPartition(t *testing.T, empty emptyClusters) {
	t.Helper()
	empty.free = make(chan *servers.Cluster, 1000)
	conformance.TestNode(t, conformance.Harness{
		Open: func(t *testing.T) conformance.Node { return empty.open(t) },
		Advance: func(t *testing.T, n conformance.Node, d time.Duration) {
			n.(partition).cluster.Servers[0].Clock.Stop(t, d)
		},
		Close: func(t *testing.T, n conformance.Node) { check.OK(t, n.(partition).client.Close()) },
		Reopen: func(t *testing.T, n conformance.Node) conformance.Node {
			cluster := n.(partition).cluster
			check.OK(t, n.(partition).client.Close())
			server := cluster.Servers[0]
			server.Kill()
			check.Must(t, server.Start())
			passed := time.Duration(0)
			for ; !cluster.Healthy(); passed += time.Second { // a master serves 2 s after its start
				server.Clock.Stop(t, time.Second)
			}
			server.Clock.Stop(t, -passed)
			return empty.partition(t, cluster, 0)
		},
		Impostor: func(t *testing.T, n conformance.Node) conformance.Node {
			cluster := n.(partition).cluster
			other := empty.partition(t, cluster, 1)
			client := cluster.Client()
			state := check.Value(client.Dump(t.Context(), n.(partition).key("T")).Result())(t)
			check.Must(t, client.Restore(t.Context(), other.key("T"), 0, state).Err())
			return other
		},
		CorruptPage: func(t *testing.T, n conformance.Node, at counting.Located) {
			n.(partition).do(t, "hset", n.(partition).key("c:%d", at.Arc), string(at.Page), "many")
		},
		CorruptHistory: func(t *testing.T, n conformance.Node, at counting.Located) {
			n.(partition).do(t, "hset", n.(partition).key("hp:%d", at.Arc), string(at.Page), "x")
		},
		CorruptWindow: func(t *testing.T, n conformance.Node, w counting.Window) {
			p := n.(partition)
			p.do(t, "hset", p.key("T"), fmt.Sprintf("n:%d", w), "x")
			p.do(t, "set", p.key("eps:%d", w), "x")
		},
		CorruptEntry: func(t *testing.T, n conformance.Node, w counting.Window) {
			p := n.(partition)
			p.do(t, "set", p.key("win:%d", w), "x")
			p.do(t, "zadd", p.key("wins"), int64(w), int64(w))
		},
		Immovable: "the cluster moves partitions",
	})
}
