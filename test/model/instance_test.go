package model_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"footfall/adapters/httpcallback"
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
	*chaos.Caller
	world     *world
	skew      time.Duration // by which its clock is ahead
	leap      atomic.Int64  // the same, for a while
	dice      *chaos.Dice
	far       []dialled
	cluster   *cluster.Cluster
	uniques   *uniques.Service
	scheduler *scheduler.Scheduler
}

// dialled is a node as one caller reaches it; hangUp closes its connections.
type dialled struct {
	cluster.Node
	hangUp func()
}

// start makes an instance and starts it; it fails as a process does whose
// start takes too long.
func (w *world) start(slot int, name string) (*instance, error) {
	i := &instance{world: w, dice: chaos.NewDice(w.Seed, name)}
	i.Caller = &chaos.Caller{
		Process: chaos.NewProcess(), Name: name, Books: &w.Books, Counted: w.Counted, Forgetting: w.plan.rollBacks, Own: &chaos.Books{},
	}
	var nodes []cluster.Node
	for _, s := range w.servers {
		far := s.dial(i)
		i.far = append(i.far, far)
		nodes = append(nodes, w.mutant.client(newLink(i, s, far)))
	}
	if i.dice.Chance(0.5) { // a list of addresses may come in any order
		slices.Reverse(nodes)
	}
	log := slog.New(slog.DiscardHandler)
	c := cluster.New(cluster.Options{
		Nodes: nodes, Length: w.length, EndpointLimit: w.plan.endpointLimit, KeyLimit: 1 << 20, Log: log,
		Lost: func(node counting.NodeID, batches int64) {
			w.Violate("P1: %s says that %s lost %d batches", i.Name, node, batches)
		},
	})
	i.cluster, i.Visits = c, visits.New(c)
	i.uniques = uniques.New(uniques.Options{
		Cluster: c, Notifier: caller{i}, Journal: caller{i}, Grace: w.plan.grace, Instance: i.Name, Log: log,
		Publishers: []publishing.Publisher{
			&sink{i, "rabbitmq", w.plan.brokerFails}, &sink{i, "log", w.plan.logFails},
		},
	})
	if w.plan.skews {
		i.skew = []time.Duration{3 * time.Second, -3 * time.Second, 0}[min(slot, 2)]
	}
	// There is one clock in a bubble. One that is ahead shows the end of a
	// window, and the end of its grace, so much sooner; nothing else in an
	// instance asks for the time of day.
	i.scheduler = scheduler.New(i.uniques, w.length, w.plan.grace-i.skew, log)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Start(ctx); err != nil {
		i.Crash()
		return nil, err
	}
	if !w.plan.closes {
		return i, nil
	}
	return i, i.scheduler.Start(ctx)
}

// Crash ends the instance as kill -9 does: nothing leaves it any more.
func (i *instance) Crash() {
	i.Die(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = i.stop(now)
		i.hangUp()
	})
}

func (i *instance) hangUp() {
	for _, n := range i.far {
		n.hangUp()
	}
}

// countClaim counts a claim by an instance whose clock is off.
func (i *instance) countClaim() {
	switch {
	case i.skew > 0:
		i.world.Counted.Add(closerAhead)
	case i.skew < 0:
		i.world.Counted.Add(closerBehind)
	}
}

// stop ends the instance as SIGTERM does.
func (i *instance) stop(ctx context.Context) error {
	return errors.Join(i.scheduler.Stop(ctx), i.uniques.Stop(ctx), i.cluster.Stop(ctx))
}

// sleep lets time pass for the instance; it is an error when that was
// more than it had.
func (i *instance) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	case <-i.Dead:
		return chaos.ErrDead
	}
	if !i.Frozen.Pass(i.Dead) {
		return chaos.ErrDead
	}
	return nil
}

// sink is a publisher as one instance sees it.
type sink struct {
	*instance
	sinkName string
	fails    float64
}

func (s *sink) Name() string { return s.sinkName }

func (s *sink) Publish(ctx context.Context, r publishing.Report) error {
	if err := s.sleep(ctx, s.dice.Between(time.Millisecond, 20*time.Millisecond)); err != nil {
		return fmt.Errorf("%w: %w", publishing.ErrRefused, err)
	}
	unknown := false
	if !s.world.IsCalm() && s.dice.Chance(s.fails) {
		if s.dice.Chance(0.5) {
			s.world.Counted.Add(publisherRefused)
			return publishing.ErrRefused
		}
		s.world.Counted.Add(publisherUnknown)
		unknown = true
	}
	if !unknown || s.dice.Chance(0.5) {
		s.world.published(r)
	}
	if unknown && s.dice.Chance(0.5) {
		<-ctx.Done()
	}
	if err := s.sleep(ctx, s.dice.Between(time.Millisecond, 50*time.Millisecond)); err != nil {
		return err
	}
	if unknown {
		return chaos.ErrCut
	}
	return nil
}

// caller is the notifier and the journal of one instance.
type caller struct{ *instance }

func (c caller) Permits(e publishing.Endpoint) error {
	if e == forbidden {
		c.world.Counted.Add(forbiddenRefused)
		return publishing.ErrForbidden
	}
	return nil
}

func (c caller) LogAttempt(publishing.Attempt) error { return nil }

// LogEnd implements publishing.Journal.
func (c caller) LogEnd(string) error { return nil }

func (c caller) Notify(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) (a publishing.Attempt) {
	a = publishing.Attempt{ReportID: r.ID, Number: number, Endpoint: e}
	defer func() { a.Outcome, a.HostFailed = httpcallback.Classify(a.Status, a.Err) }()
	if a.Err = c.sleep(ctx, c.dice.Between(time.Millisecond, 5*time.Millisecond)); a.Err != nil {
		return a
	}
	c.world.called(r, e, number, c.Name)
	if !c.world.IsCalm() && c.dice.Chance(c.world.plan.absences) {
		c.world.freezeBeyondLease(c.instance, c.dice)
	}
	if e == forbidden {
		c.world.Violate("P8: %s was called", e)
	}
	status := 200
	switch x := c.dice.UpTo(100); {
	case c.world.IsCalm() || !c.world.plan.endpointsFail:
	case x < 10:
		c.world.Counted.Add(endpointHung)
		<-ctx.Done()
	case x < 20:
		c.world.Counted.Add(endpointFailed)
		a.Err = chaos.ErrCut
	case x < 30:
		c.world.Counted.Add(endpointBusy)
		status, a.RetryAfter = 503, c.dice.Between(0, 5*time.Second)
	case x < 35:
		c.world.Counted.Add(endpointGone)
		status = 410
	}
	if err := c.sleep(ctx, c.dice.Between(time.Millisecond, 100*time.Millisecond)); err != nil {
		a.Err = err
	}
	if a.Err == nil {
		a.Status = status
	}
	return a
}

// Retry implements publishing.Notifier.
func (c caller) Retry(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	return c.Notify(ctx, r, e, number)
}

// accept lets the instance take an id and keeps account of it.
func (i *instance) accept(ctx context.Context, id counting.ID, endpoint publishing.Endpoint) {
	_, err := i.uniques.Accept(ctx, netip.Prefix{}, id, endpoint)
	answer := i.Outcome(err)
	i.world.accepted(id, endpoint, answer)
}
