package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	world   *world
	name    string
	dead    chan struct{} // closed when it has crashed
	once    sync.Once
	frozen  gate
	dice    *chaos.Dice
	cluster *cluster.Cluster
	visits  *visits.Service
	uniques *uniques.Service
	ring    *resharding.Service
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
	links   sync.Map // *link by the node's id
	early   sync.Map // of the mutant that reads backward: the parts that it has, by question
}

// gate stops every caller of pass while it is closed.
type gate struct {
	mu sync.Mutex
	ch chan struct{}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch == nil {
		g.ch = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch != nil {
		close(g.ch)
		g.ch = nil
	}
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ch != nil
}

// pass is false when dead comes first.
func (g *gate) pass(dead <-chan struct{}) bool {
	g.mu.Lock()
	ch := g.ch
	g.mu.Unlock()
	if ch != nil {
		select {
		case <-ch:
		case <-dead:
			return false
		}
	}
	select {
	case <-dead:
		return false
	default:
		return true
	}
}

// start starts an instance; the error says that it could not.
func (w *world) start(name string) (*instance, error) {
	i := &instance{world: w, name: name, dead: make(chan struct{}), dice: chaos.NewDice(w.seed, name)}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	dial := func(id counting.NodeID, _ string) (cluster.Node, error) {
		s := w.serverOf(id)
		if s == nil {
			return nil, fmt.Errorf("there is no node %s", id)
		}
		return i.link(s), nil
	}
	var nodes []cluster.Node
	for n := range stayers {
		node, _ := dial(counting.NodeID(fmt.Sprintf("n%04d", n+1)), "")
		nodes = append(nodes, node)
	}
	log := slog.New(slog.DiscardHandler)
	var err error
	i.cluster, err = cluster.New(cluster.Options{
		Nodes: nodes, Dial: dial, Length: counting.WindowLength(windowLength), EndpointLimit: 10, KeyLimit: 1 << 20, Log: log,
		Lost: func(_ counting.NodeID, batches int64) {
			w.truth.Lock()
			defer w.truth.Unlock()
			w.lost += batches
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(i.ctx, 10*time.Second)
	defer cancel()
	if err := i.cluster.Start(ctx); err != nil {
		i.crash()
		return nil, err
	}
	i.visits = visits.New(i.cluster)
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

// crash ends the instance at once: nothing of it reaches a node any more.
func (i *instance) crash() {
	i.once.Do(func() {
		close(i.dead)
		i.cancel()
		i.world.chaos.Go(func() { i.stop(0) })
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

// record counts visits, and returns what the caller knows of them.
func (i *instance) record(page counting.Page, n int64) chaos.Outcome {
	a := i.world.books[page]
	a.Issue(n)
	err := i.visits.Record(context.Background(), page, n)
	answer := chaos.Refused // also one that is refused alone
	switch {
	case i.isDead(), errors.Is(err, counting.ErrInDoubt):
		answer = chaos.Unknown
	case err == nil:
		answer = chaos.Acknowledged
	}
	a.Settle(answer, n)
	return answer
}

func (i *instance) isDead() bool {
	select {
	case <-i.dead:
		return true
	default:
		return false
	}
}

func (i *instance) read(pages ...counting.Page) {
	least, lost := make([]int64, len(pages)), make([]int64, len(pages))
	for k, page := range pages {
		lost[k] = i.world.lostOf(page)
		least[k], _ = i.world.books[page].Bounds()
	}
	for k, r := range i.visits.Read(context.Background(), pages) {
		a := i.world.books[pages[k]]
		_, most := a.Bounds()
		if r.Err != nil || i.isDead() {
			continue
		}
		got := r.Visits - a.Base + lost[k]
		if got > most || got < least[k] { // it may be from before a loss, or after
			got += i.world.lostOf(pages[k]) - lost[k]
		}
		if got > most || got < least[k] && !i.world.plan.rollBacks {
			i.world.violate("P3: page %s reads %d, want %d to %d, by %s in epoch %d", pages[k], got, least[k], most, i.name, i.cluster.View().Epoch())
		}
	}
}

func (i *instance) accept(id counting.ID) { _ = i.uniques.Accept(context.Background(), id, "") }

// press takes every report and notes it.
type press struct{ instance *instance }

func (p press) Name() string { return "press" }

func (p press) Publish(_ context.Context, r publishing.Report) error {
	if p.instance.isDead() {
		return errDead
	}
	w := p.instance.world
	w.truth.Lock()
	defer w.truth.Unlock()
	if before, again := w.reports[r.ID]; again && before != r.Count && !w.plan.powerCuts { // what was sealed may be lost
		w.violations = append(w.violations, fmt.Sprintf("P5: window %s was published with %d and with %d", r.ID, before, r.Count))
	}
	w.reports[r.ID] = r.Count
	return nil
}

// noCallbacks is a notifier and a journal for ids without endpoints.
type noCallbacks struct{}

func (noCallbacks) Permits(publishing.Endpoint) error { return nil }
func (noCallbacks) Notify(context.Context, publishing.Report, publishing.Endpoint, int) publishing.Attempt {
	return publishing.Attempt{}
}
func (noCallbacks) LogAttempt(publishing.Attempt) error { return nil }
