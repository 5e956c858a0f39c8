package redismodel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"footfall/adapters/redisnode"
	"footfall/adapters/scheduler"
	"footfall/application/cluster"
	"footfall/application/uniques"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
)

// instance is one start of one process of the service.
type instance struct {
	world   *world
	name    string
	dead    chan struct{}
	die     sync.Once // closes dead
	end     sync.Once
	nodes   []*redisnode.Node
	cluster *cluster.Cluster
	visits  *visits.Service
	uniques *uniques.Service
	closes  *scheduler.Scheduler
}

// start makes an instance and starts it.
func (w *world) start(ctx context.Context, life int) (*instance, error) {
	i := &instance{world: w, name: fmt.Sprintf("i%d", life), dead: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	d := chaos.NewDice(w.seed, i.name)
	var list []cluster.Node
	for _, s := range w.servers {
		addr := s.proxy.Addr
		if w.mutant.text == "" && d.Chance(0.4) { // past the proxy, so that a dead server refuses connections
			addr = s.Redis.Addr
		}
		n := redisnode.New(redisnode.Options{ID: s.id, Addr: addr, Log: log})
		i.nodes = append(i.nodes, n)
		list = append(list, w.mutant.client(newLink(i, w.mutant.node(n))))
	}
	if d.Chance(0.5) { // a list of addresses may come in any order
		slices.Reverse(list)
	}
	c, err := cluster.New(cluster.Options{
		Nodes: list, Length: w.plan.length(), EndpointLimit: 10, KeyLimit: 1 << 20, Log: log,
		Lost: func(node counting.NodeID, batches int64) {
			w.violate("P1: %s says that %s lost %d batches", i.name, node, batches)
		},
	})
	if err != nil {
		return nil, err
	}
	i.cluster, i.visits = c, visits.New(c)
	i.uniques = uniques.New(uniques.Options{
		Cluster: c, Publishers: []publishing.Publisher{sink{i}}, Notifier: caller{i}, Journal: caller{i},
		Grace: grace, Instance: i.name, Log: log,
	})
	i.closes = scheduler.New(i.uniques, w.plan.length(), grace, log)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.Start(ctx); err != nil {
		i.kill()
		return nil, err
	}
	if w.plan.closes {
		return i, i.closes.Start(ctx)
	}
	return i, nil
}

// doom makes sure that nothing leaves the instance any more.
func (i *instance) doom() { i.die.Do(func() { close(i.dead) }) }

// kill ends the instance as kill -9 does: nothing leaves it any more, and
// its connections are closed.
func (i *instance) kill() {
	i.doom()
	i.end.Do(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = i.stop(now)
		i.close()
	})
}

// stop ends the instance as SIGTERM does.
func (i *instance) stop(ctx context.Context) error {
	return errors.Join(i.closes.Stop(ctx), i.uniques.Stop(ctx), i.cluster.Stop(ctx))
}

func (i *instance) close() {
	for _, n := range i.nodes {
		_ = n.Close()
	}
}

func (i *instance) isDead() bool {
	select {
	case <-i.dead:
		return true
	default:
		return false
	}
}

// count lets the instance count visits and keeps account of what the caller
// was told.
func (i *instance) count(ctx context.Context, visits ...counting.Visit) {
	for _, v := range visits {
		i.world.account(v.Page).Issue(v.Count)
	}
	var errs []error
	if len(visits) == 1 {
		errs = append(errs, i.visits.Record(ctx, visits[0].Page, visits[0].Count))
	} else {
		errs = i.visits.RecordAll(ctx, visits)
	}
	for k, v := range visits {
		i.world.account(v.Page).Settle(i.explainBusy(errs[k]), v.Count)
	}
}

// accept lets the instance take an id and keeps account of it.
func (i *instance) accept(ctx context.Context, id counting.ID, e publishing.Endpoint) {
	i.world.accepted(id, i.explainBusy(i.uniques.Accept(ctx, id, e)))
}

// sink is where the reports of an instance go.
type sink struct{ *instance }

func (sink) Name() string { return "log" }

func (s sink) Publish(_ context.Context, r publishing.Report) error {
	if s.isDead() {
		return errDead
	}
	return s.world.published(r)
}

// caller is the notifier and the journal of an instance.
type caller struct{ *instance }

func (caller) Permits(publishing.Endpoint) error { return nil }

func (caller) LogAttempt(publishing.Attempt) error { return nil }

func (caller) Notify(_ context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	return publishing.Attempt{ReportID: r.ID, Number: number, Endpoint: e, Outcome: publishing.Delivered, Status: 200}
}

func (i *instance) explainBusy(err error) chaos.Outcome {
	switch {
	case i.isDead():
		return chaos.Unknown
	case err == nil:
		return chaos.Acknowledged
	case errors.Is(err, counting.ErrInDoubt):
		i.world.counted.Add(answeredInDoubt)
		return chaos.Unknown
	case errors.Is(err, counting.ErrUnavailable):
		i.world.counted.Add(answeredRefused)
		return chaos.Refused
	case errors.Is(err, counting.Overflow):
		i.world.counted.Add(overflowRefused)
		return chaos.Refused
	}
	i.world.violate("a caller was told %v, which no contract names", err)
	return chaos.Unknown
}
