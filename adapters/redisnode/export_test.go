package redisnode

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// DialBy lets the connections of a cluster, which has none yet, lead to other addresses.
func (c *Cluster) DialBy(other func(addr string) string) {
	o := *c.client.Options()
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dial(ctx, network, other(addr))
	}
	_ = c.client.Close()
	c.client = redis.NewClusterClient(&o)
}

// RetryInTheClient is a defect: the client repeats what may have been applied, and the
// partitions take its last error for the only one.
func (c *Cluster) RetryInTheClient() {
	o := *c.client.Options()
	o.MaxRedirects = 3
	retries := redis.NewClusterClient(&o)
	for _, p := range c.partitions {
		p.servers = retrying{p.route, retries}
	}
}

type retrying struct {
	*route
	client *redis.ClusterClient
}

func (r retrying) pool(context.Context) (connection, error) {
	return connection{r.client, nil, func() {}}, nil
}

// BeforeCalls has something done before each call of a partition.
func (p *Partition) BeforeCalls(do func()) { p.servers = observed{p.servers, do} }

type observed struct {
	servers
	before func()
}

func (o observed) pool(ctx context.Context) (connection, error) {
	o.before()
	return o.servers.pool(ctx)
}
