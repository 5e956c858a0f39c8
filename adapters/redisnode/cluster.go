package redisnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// reloadInterval is how often the slots are read again without an error of a call.
const reloadInterval = 5 * time.Second

// maxMasters is how many lanes there may be. A cluster has 1,000 servers at most.
const maxMasters = 2000

// Cluster is a Redis Cluster, version 7.0 or later, or one of Valkey. URL:
// redis+cluster://[user:pass@]host:port,host:port[?partitions=16&wait=0], and
// rediss+cluster:// for TLS; one of the addresses has to answer.
//
// A node of the engine is a partition: all of its keys have one hash tag, so that they are
// in one slot, which moves and fails over as one. Scripts go to the master that has the
// slot. No call is repeated at another master unless it certainly had no effect.
type Cluster struct {
	client     *redis.ClusterClient
	partitions []*Partition
	checked    *checks
	addrs      string

	mu    sync.Mutex
	lanes map[*redis.Client]*lane
}

// Partition is one node. Its methods are safe for concurrent use.
type Partition struct {
	store
	route *route
}

var (
	_ counting.Counts    = (*Partition)(nil)
	_ counting.Windows   = (*Partition)(nil)
	_ counting.Ledger    = (*Partition)(nil)
	_ sharding.RingStore = (*Partition)(nil)
	_ sharding.Hosted    = (*Partition)(nil)
)

// NewCluster makes the partitions of a cluster. It connects to nothing.
func NewCluster(o ClusterOptions) *Cluster {
	c := &Cluster{addrs: strings.Join(o.Addrs, ","), lanes: make(map[*redis.Client]*lane)}
	c.checked = newChecks(o.Options, "", func() string { return c.addrs })
	c.checked.cluster = true
	of := o.client(c.checked)
	c.client = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: o.Addrs, Username: of.Username, Password: of.Password, Dialer: of.Dialer, OnConnect: of.OnConnect,
		// The client would repeat a call at another master, also one that may have
		// been applied.
		MaxRedirects: -1, MaxRetries: of.MaxRetries, DialerRetries: of.DialerRetries,
		ContextTimeoutEnabled: of.ContextTimeoutEnabled, DialTimeout: of.DialTimeout, ReadTimeout: of.ReadTimeout, WriteTimeout: of.WriteTimeout,
		PoolSize: of.PoolSize, PoolTimeout: of.PoolTimeout, ConnMaxIdleTime: of.ConnMaxIdleTime,
		Protocol: of.Protocol, DisableIdentity: of.DisableIdentity,
		ClusterStateReloadInterval: reloadInterval,
	})
	scripts, sets := newScripts(), (1<<setBits)/o.Partitions
	for i, tag := range tags(o.Partitions) {
		id := counting.NodeID(fmt.Sprintf("p%02d", i))
		r := &route{cluster: c, id: id, key: "ff:{" + tag + "}:T"}
		c.partitions = append(c.partitions, &Partition{newStore(id, "ff:{"+tag+"}:", sets, r, scripts, o.Wait, o.Log), r})
	}
	return c
}

// Partitions are the nodes, in the order of their ids.
func (c *Cluster) Partitions() []*Partition { return c.partitions }

// Close ends all connections. It may be called twice.
func (c *Cluster) Close() error {
	if err := c.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

// Host implements sharding.Hosted.
func (p *Partition) Host() counting.NodeID {
	if at := p.route.last.Load(); at != nil {
		return at.host
	}
	return ""
}

// lane is that of a master.
func (c *Cluster) lane(master *redis.Client) *lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[master]
	if len(c.lanes) > maxMasters {
		clear(c.lanes) // masters that are gone; what is in flight goes on
	}
	if l == nil {
		l = newLane(master)
		c.lanes[master] = l
	}
	return l
}

// route is the way to the master that has the slot of a partition.
type route struct {
	cluster *Cluster
	id      counting.NodeID
	key     string
	last    atomic.Pointer[located] // of the last call; nil before the first one
}

// located is a master with its name.
type located struct {
	master *redis.Client
	host   counting.NodeID
}

func (r *route) addr() string    { return string(r.id) }
func (r *route) checks() *checks { return r.cluster.checked }

// find returns the master. An error had no effect.
func (r *route) find(ctx context.Context) (*redis.Client, error) {
	master, err := r.cluster.client.MasterForKey(ctx, r.key)
	if err != nil {
		return nil, notApplied(err)
	}
	if at := r.last.Load(); at == nil || at.master != master {
		_, host := names(master.Options().Addr)
		r.last.Store(&located{master, host})
	}
	return master, nil
}

// pool implements servers.
func (r *route) pool(ctx context.Context) (connection, error) {
	master, err := r.find(ctx)
	if err != nil {
		return connection{}, err
	}
	return connection{r.cluster.lane(master), master, func() {}}, nil
}

// connection implements servers.
func (r *route) connection(ctx context.Context) (connection, error) {
	master, err := r.find(ctx)
	if err != nil {
		return connection{}, err
	}
	conn := master.Conn()
	return connection{conn, master, func() { _ = conn.Close() }}, nil
}

// replicas implements servers. A replica that has lost the connection to its master is
// promoted as well, unless the cluster knows that it has failed.
func (r *route) replicas(ctx context.Context, on connection) (n int, err error) {
	nodes, err := on.ClusterNodes(ctx).Result()
	if err != nil {
		return 0, err
	}
	myself := ""
	for line := range strings.Lines(nodes) { // id address flags master ...
		if of := strings.Fields(line); len(of) > 3 && slices.Contains(strings.Split(of[2], ","), "myself") {
			myself = of[0]
		}
	}
	for line := range strings.Lines(nodes) {
		if of := strings.Fields(line); len(of) > 3 && of[3] == myself && !slices.Contains(strings.Split(of[2], ","), "fail") {
			n++
		}
	}
	return n, nil
}

// mayRepeat implements servers. A slot that is moving refuses scripts (TRYAGAIN, or ASK
// when its state has left already: the other master would say TRYAGAIN). One that has moved
// is at another master, which the slots tell when they were read again.
func (r *route) mayRepeat(ctx context.Context, on connection, err error) bool {
	says := err.Error()
	if !begins(says, "TRYAGAIN", "ASK ") {
		r.cluster.client.ReloadState(ctx)
	}
	switch {
	case isRefused(err):
		return on.of != nil && on.of.PoolStats().TotalConns > 0 && pause(ctx)
	case !begins(says, "TRYAGAIN", "ASK ", "MOVED ", "READONLY", "CLUSTERDOWN", "MASTERDOWN"):
		return false
	}
	return pauseFor(ctx, 5*time.Millisecond+rand.N(20*time.Millisecond))
}
