package model_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/redisnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/servers"
)

// startAll starts a cluster for each list of addresses, all together, and
// returns their rings.
func startAll(t *testing.T, lists ...[]string) []string {
	t.Helper()
	rings := make([]string, len(lists))
	var starting sync.WaitGroup
	for i, addrs := range lists {
		var nodes []cluster.Node
		for _, o := range parse(t, addrs) {
			n := redisnode.New(o)
			t.Cleanup(func() { _ = n.Close() })
			nodes = append(nodes, n)
		}
		c := cluster.New(cluster.Options{
			Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: slog.New(slog.DiscardHandler),
		})
		t.Cleanup(func() { _ = c.Stop(context.Background()) })
		starting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := c.Start(ctx); err != nil {
				t.Error(err)
				return
			}
			rings[i] = string(c.View().Encode())
		})
	}
	starting.Wait()
	return rings
}

// parse is the way of a list of addresses through the configuration.
func parse(t *testing.T, addrs []string) []redisnode.Options {
	t.Helper()
	options, err := redisnode.ParseURL("redis://" + strings.Join(addrs, ","))
	if err != nil {
		t.Fatal(err)
	}
	for i := range options {
		options[i].Log = slog.New(slog.DiscardHandler)
	}
	return options
}

// Instances that start together over empty servers agree on one ring, in
// whatever order each has their addresses; so does one that comes later.
func TestInstancesThatStartTogetherOnRedisAgreeOnOneRing(t *testing.T) {
	t.Parallel()
	addrs := make([]string, nodeCount)
	for i := range addrs {
		addrs[i] = servers.StartRedis(t).Addr
	}
	other := slices.Clone(addrs)
	slices.Reverse(other)
	third := []string{addrs[1], addrs[2], addrs[0]}
	rings := startAll(t, addrs, other, third, addrs, other, third)
	rings = append(rings, startAll(t, other)...)
	for _, ring := range rings[1:] {
		if ring != rings[0] {
			t.Fatalf("the rings differ:\n%s\n%s", rings[0], ring)
		}
	}
}

// This is why the service's own client repeats nothing.
func TestARedisClientThatRepeatsByItselfCountsTwice(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	proxy := servers.StartProxy(t, server.Addr)
	c := redis.NewClient(&redis.Options{Addr: proxy.Addr, MaxRetries: 3, Protocol: 2, DisableIdentity: true})
	defer func() { _ = c.Close() }()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	happened, _ := proxy.CutReply(0)
	n, err := c.IncrBy(t.Context(), "page", 5).Result()
	if err != nil || n != 10 {
		t.Errorf("5 and a reply that was lost make %d, %v; want 10", n, err)
	}
	<-happened
}
