package ringmodel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/application/uniques"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// instance is one start of the service.
type instance struct {
	*chaos.Caller
	world   *world
	dice    *chaos.Dice
	cluster *cluster.Cluster
	uniques *uniques.Service
	ring    *resharding.Service
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
	links   sync.Map     // *link by the node's id
	leap    atomic.Int64 // of its clock
	early   sync.Map     // of the mutant that reads backward: the parts that it has, by question
}

// start starts an instance; the error says that it could not.
func (w *world) start(_ int, name string) (*instance, error) {
	i := &instance{world: w, dice: chaos.NewDice(w.Seed, name)}
	i.Caller = &chaos.Caller{
		Process: chaos.NewProcess(), Name: name, Books: &w.Books, Counted: w.Counted, Lost: w.lostOf, Forgetting: w.plan.rollBacks,
	}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	dial := func(id counting.NodeID, addr string) (cluster.Node, error) {
		s := w.serverOf(id)
		if s == nil {
			return nil, fmt.Errorf("there is no node %s", id)
		}
		return i.link(s, addr), nil
	}
	var nodes []cluster.Node
	for n := range w.plan.nodes() {
		id := counting.NodeID(fmt.Sprintf("n%04d", n+1))
		node, _ := dial(id, w.serverOf(id).listed(i.dice))
		nodes = append(nodes, node)
	}
	log := slog.New(slog.DiscardHandler)
	i.cluster = cluster.New(cluster.Options{
		Nodes: nodes, Dial: dial, Move: func(n cluster.Node, addr string) { n.(interface{ move(string) }).move(addr) },
		Server: func(_ context.Context, n cluster.Node) (string, error) { return string(n.ID()), nil }, Length: counting.WindowLength(windowLength), EndpointLimit: 10, KeyLimit: 1 << 20, MaxSkew: w.maxSkew(), Log: log,
		Lost: func(_ counting.NodeID, batches int64) {
			w.truth.Lock()
			defer w.truth.Unlock()
			w.lost += batches
		},
	})
	ctx, cancel := context.WithTimeout(i.ctx, 10*time.Second)
	defer cancel()
	if err := i.cluster.Start(ctx); err != nil {
		i.Crash()
		return nil, err
	}
	i.Visits = visits.New(i.cluster)
	i.uniques = uniques.New(uniques.Options{
		Cluster: i.cluster, Publishers: []publishing.Publisher{press{i}}, Notifier: noCallbacks{}, Journal: noCallbacks{},
		Grace: 500 * time.Millisecond, Instance: name, Log: log,
	})
	i.ring = resharding.New(resharding.Options{
		Cluster: i.cluster, Log: log,
		Locate: func(addr string, _ []sharding.Member) (counting.NodeID, string, error) {
			return w.serverAt(addr).ID(), addr, nil
		},
	})
	_ = i.ring.Start(i.ctx)
	i.work.Go(i.scan)
	return i, nil
}

// scan closes windows until the instance ends.
func (i *instance) scan() {
	for i.ctx.Err() == nil {
		_ = i.uniques.Heartbeat(i.ctx)
		_ = i.uniques.Scan(i.ctx)
		select {
		case <-i.ctx.Done():
		case <-time.After(500*time.Millisecond + i.dice.Between(0, 300*time.Millisecond)):
		}
	}
}

// Crash ends the instance at once: nothing of it reaches a node any more.
func (i *instance) Crash() {
	i.Die(func() {
		i.cancel()
		i.world.Faults.Go(func() { i.stop(0) })
	})
}

// stop ends what runs.
func (i *instance) stop(patience time.Duration) {
	i.cancel()
	i.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if i.ring != nil {
		_ = i.ring.Stop(ctx)
		_ = i.uniques.Stop(ctx)
	}
	_ = i.cluster.Stop(ctx)
}

// record counts visits to a page.
func (i *instance) record(page counting.Page, n int64) chaos.Outcome {
	return i.Count(context.Background(), counting.Visit{Page: page, Count: n})
}

func (i *instance) read(pages ...counting.Page) { i.Read(context.Background(), pages...) }

func (i *instance) accept(id counting.ID) {
	_, _ = i.uniques.Accept(context.Background(), netip.Prefix{}, id, "")
}

// press takes every report and notes it.
type press struct{ instance *instance }

func (p press) Name() string { return "press" }

func (p press) Publish(_ context.Context, r publishing.Report) error {
	if p.instance.IsDead() {
		return chaos.ErrDead
	}
	w := p.instance.world
	w.truth.Lock()
	defer w.truth.Unlock()
	if before, again := w.reports[r.ID]; again && before != r.Count && !w.plan.powerCuts { // what was sealed may be lost
		w.Violate("P5: window %s was published with %d and with %d", r.ID, before, r.Count)
	}
	w.reports[r.ID] = r.Count
	w.losses.known[r.ID] = w.Counted.Count(nodeLost)
	return nil
}

// noCallbacks is a notifier and a journal for ids without endpoints.
type noCallbacks struct{}

func (noCallbacks) Permits(publishing.Endpoint) error { return nil }
func (noCallbacks) Notify(context.Context, publishing.Report, publishing.Endpoint, int) publishing.Attempt {
	return publishing.Attempt{}
}

// Retry implements publishing.Notifier.
func (noCallbacks) Retry(context.Context, publishing.Report, publishing.Endpoint, int) publishing.Attempt {
	return publishing.Attempt{}
}
func (noCallbacks) LogAttempt(publishing.Attempt) error { return nil }

// LogEnd implements publishing.Journal.
func (noCallbacks) LogEnd(string) error { return nil }
