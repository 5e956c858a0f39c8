package redismodel_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

var (
	errCut  = errors.New("connection cut")
	errDead = errors.New("this instance is dead")
)

// link is the way from one instance to one node: it loses requests and
// replies, delays them, and repeats calls whose outcome nobody knows.
type link struct {
	world    *world
	instance *instance
	dice     *chaos.Dice
}

func newLink(i *instance, far cluster.Node) cluster.Node {
	l := &link{world: i.world, instance: i, dice: chaos.NewDice(i.world.seed, i.name+string(far.ID()))}
	return &chaos.Link{Far: far, Around: l.around, Lease: lease}
}

// route is what befalls one call.
type route struct {
	late                time.Duration
	lostThere, lostBack bool
	again               time.Duration // after which a lost call is made once more; 0 is never
}

func (l *link) roll(method string) (r route) {
	if l.world.isCalm() {
		return r
	}
	d, rates := l.dice, l.world.plan.rates
	if method == "seal" { // so that a sum would often lack a node's number
		rates.loseRequest, rates.loseReply = 0.1, 0.1
	}
	if d.Chance(rates.delay) {
		l.world.counted.Add(delayed)
		r.late = d.Between(5*time.Millisecond, 1200*time.Millisecond)
	}
	switch {
	case d.Chance(rates.loseRequest):
		l.world.counted.Add(lostRequest)
		r.lostThere = true
	case d.Chance(rates.loseReply):
		l.world.counted.Add(lostReply)
		r.lostBack = true
	}
	if (r.lostThere || r.lostBack) && d.Chance(rates.duplicate) {
		r.again = d.Between(time.Millisecond, 500*time.Millisecond)
	}
	return r
}

type answer struct {
	value any
	err   error
}

// around is a call with what may befall it and the instance.
func (l *link) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	l.stumble("before " + c.Method)
	if c.Method == "apply" {
		do = l.counting(do)
	}
	value, err := l.call(ctx, l.roll(c.Method), do)
	if claim, ok := value.(chaos.Claim); !ok || claim.Token != "" {
		l.stumble("after " + c.Method)
	}
	return value, err
}

// stumble lets an instance die at a step of a close, right where it is.
func (l *link) stumble(where string) {
	if !l.world.plan.closes || !slices.Contains(chaos.Steps(), where) || l.world.isCalm() || l.instance.isDead() {
		return
	}
	chance := 0.01
	if l.world.counted.Count(chaos.CrashAt(where)) == 0 {
		chance = 0.5
	}
	if l.dice.Chance(chance) {
		l.instance.doom()
		l.world.chaos.Go(func() { l.world.bury(l.instance, chaos.CrashAt(where), l.dice) })
	}
}

// call lets an instance call a node. What is on its way lands, whatever
// becomes of the caller.
func (l *link) call(ctx context.Context, r route, do func(context.Context) (any, error)) (any, error) {
	if l.instance.isDead() {
		return nil, errDead
	}
	answers := make(chan answer, 1)
	l.world.travels.Go(func() { l.travel(context.WithoutCancel(ctx), r, answers, do) })
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.instance.dead:
		return nil, errDead
	}
}

// travel takes a call to its node and the answer back, or fails to.
func (l *link) travel(ctx context.Context, r route, answers chan<- answer, do func(context.Context) (any, error)) {
	time.Sleep(r.late)
	a := answer{err: errCut}
	if !r.lostThere {
		value, err := do(ctx)
		if !r.lostBack {
			a = answer{value, err}
		}
	}
	answers <- a
	if r.again > 0 {
		time.Sleep(r.again)
		l.world.counted.Add(duplicated)
		_, _ = do(ctx)
	}
}

// counting notes how a batch went at its node.
func (l *link) counting(apply func(context.Context) (any, error)) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		value, err := apply(ctx)
		receipt, _ := value.(counting.Receipt)
		switch {
		case errors.Is(err, counting.ErrNotApplied):
			l.world.counted.Add(callNotApplied)
		case err != nil:
			l.world.counted.Add(callUnknown)
		case receipt.Duplicate && len(receipt.Refused) > 0:
			l.world.counted.Add(refusalRemembered)
			fallthrough
		case receipt.Duplicate:
			l.world.counted.Add(batchDuplicate)
		}
		return value, err
	}
}
