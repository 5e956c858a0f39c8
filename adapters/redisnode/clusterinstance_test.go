package redisnode_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"footfall/adapters/redisnode"
	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/application/uniques"
	visitsapp "footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
)

// clusterInstance is one instance of the service over the partitions of a cluster.
type clusterInstance struct {
	*chaos.Caller
	world   *clusterWorld
	redis   *redisnode.Cluster
	cluster *cluster.Cluster
	uniques *uniques.Service
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

// start starts an instance; the error says that it could not.
func (w *clusterWorld) start(_ int, name string) (*clusterInstance, error) {
	i := &clusterInstance{world: w, redis: w.partitions()}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	i.redis.DialBy(func(addr string) string { return w.proxies[addr].Addr })
	if w.mutant.retries {
		i.redis.RetryInTheClient()
	}
	var nodes []cluster.Node
	for _, p := range i.redis.Partitions() {
		switch {
		case w.mutant.keepsNothing:
			nodes = append(nodes, &keepless{trusting: trusting{p}})
		case w.mutant.trusts:
			nodes = append(nodes, trusting{p})
		default:
			nodes = append(nodes, p)
		}
	}
	log := slog.New(slog.DiscardHandler)
	i.cluster = cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(worldWindow), EndpointLimit: 10, KeyLimit: 1 << 20, MaxSkew: worldSkew, Log: log,
		Observer: func(counting.NodeID) func(groupcommit.Flush) { return w.observe },
		Lost: func(node counting.NodeID, batches int64) {
			w.Violate("P1: %s says that %s lost %d batches", name, node, batches)
		},
	})
	i.Caller = &chaos.Caller{
		Process: chaos.NewProcess(), Name: name, Books: &w.Books, Counted: w.Counted, Visits: visitsapp.New(i.cluster), Forgetting: true,
		Own: &chaos.Books{},
	}
	i.uniques = uniques.New(uniques.Options{
		Cluster: i.cluster, Publishers: []publishing.Publisher{clusterPress{w}}, Notifier: silent{}, Journal: silent{},
		Grace: worldGrace, Instance: name, Log: log,
	})
	ctx, cancel := context.WithTimeout(i.ctx, worldPatience)
	defer cancel()
	if err := i.cluster.Start(ctx); err != nil {
		i.Crash()
		return nil, err
	}
	i.work.Go(i.scan)
	return i, nil
}

// scan closes windows until the instance ends.
func (i *clusterInstance) scan() {
	for i.ctx.Err() == nil {
		_ = i.uniques.Heartbeat(i.ctx)
		_ = i.uniques.Scan(i.ctx)
		select {
		case <-i.ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Crash ends an instance that could not start.
func (i *clusterInstance) Crash() {
	i.cancel()
	_ = i.cluster.Stop(i.ctx)
	_ = i.redis.Close()
}

func (i *clusterInstance) stop(ctx context.Context) error {
	i.cancel()
	i.work.Wait()
	return errors.Join(i.uniques.Stop(ctx), i.cluster.Stop(ctx), i.redis.Close())
}

// clusterPress takes every report.
type clusterPress struct{ world *clusterWorld }

func (clusterPress) Name() string { return "press" }

func (p clusterPress) Publish(_ context.Context, r publishing.Report) error {
	p.world.report(r)
	return nil
}

// silent is a notifier and a journal for ids without endpoints.
type silent struct{}

func (silent) Permits(publishing.Endpoint) error   { return nil }
func (silent) LogAttempt(publishing.Attempt) error { return nil }
func (silent) LogEnd(string) error                 { return nil }
func (silent) Notify(context.Context, publishing.Report, publishing.Endpoint, int) publishing.Attempt {
	return publishing.Attempt{}
}

func (silent) Retry(context.Context, publishing.Report, publishing.Endpoint, int) publishing.Attempt {
	return publishing.Attempt{}
}
