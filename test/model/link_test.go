package model_test

import (
	"context"
	"errors"
	"fmt"
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

// link is the network between one instance and one node: it loses requests
// and replies, delays and repeats them.
type link struct {
	chaos.Link
	world    *world
	server   server
	instance *instance
	dice     *chaos.Dice
}

func newLink(i *instance, s server, far cluster.Node) *link {
	l := &link{world: i.world, server: s, instance: i, dice: chaos.NewDice(i.world.seed, i.name+string(s.ID()))}
	l.Link = chaos.Link{Far: far, Around: l.around, Lease: i.world.plan.lease}
	return l
}

// route is what happens to one call.
type route struct {
	there, back         time.Duration
	lostThere, lostBack bool
	cut                 bool          // a loss is noticed at once
	again               time.Duration // after which a lost call is executed once more; 0 is never
}

func (l *link) roll(method string) route {
	d, rates, p := l.dice, l.world.rates(), l.world.plan
	if p.real && method == "seal" && !l.world.isCalm() { // so that a sum would often lack a node's number
		rates.loseRequest, rates.loseReply = 0.1, 0.1
	}
	r := route{there: d.Between(100*time.Microsecond, 2*time.Millisecond), back: d.Between(100*time.Microsecond, 2*time.Millisecond)}
	if d.Chance(rates.delay) {
		l.world.counted.Add(delayed)
		r.there += d.Between(p.delay[0], p.delay[1])
	}
	switch {
	case d.Chance(rates.loseRequest):
		l.world.counted.Add(lostRequest)
		r.lostThere = true
	case d.Chance(rates.loseReply):
		l.world.counted.Add(lostReply)
		r.lostBack = true
	}
	r.cut = d.Chance(0.7)
	if d.Chance(rates.duplicate) {
		r.again = d.Between(p.again[0], p.again[1])
	}
	return r
}

type answer struct {
	value any
	err   error
}

// around is a call with the faults that may happen to it and to the instance.
func (l *link) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	l.stumble("before " + c.Method)
	if c.Method == "apply" {
		do = l.counting(do)
	}
	value, err := l.call(ctx, c.Method, do)
	claim, isClaim := value.(chaos.Claim)
	switch {
	case c.Method == "seal" && err == nil && !l.world.isCalm() && l.dice.Chance(l.world.plan.backAtSeal):
		l.world.counted.Add(clockBack) // when it does most harm
		l.server.(*memoryServer).clock.back(l.dice.Between(2*time.Second, 6*time.Second))
	case isClaim && claim.Token == "":
		if errors.Is(err, counting.ErrBusy) {
			l.world.counted.Add(claimBusy)
		}
		return value, err
	case isClaim:
		l.instance.countClaim()
	case errors.Is(err, counting.ErrStaleToken):
		l.world.counted.Add(claimTakenOver)
	}
	l.stumble("after " + c.Method)
	return value, err
}

// stumble lets an instance crash or freeze at a step of a close, right where
// it is: often where none has crashed yet.
func (l *link) stumble(where string) {
	if !l.world.plan.crashes || !l.world.plan.closes || !slices.Contains(chaos.Steps(), where) {
		return
	}
	chance := 0.02
	if l.world.counted.Count(chaos.CrashAt(where)) == 0 {
		chance = 0.5
	}
	if l.dice.Chance(chance) {
		l.world.trip(l.instance, where, l.dice)
	}
}

// call lets an instance call a node. What is on its way lands, also
// when the caller is gone.
func (l *link) call(ctx context.Context, method string, do func(context.Context) (any, error)) (any, error) {
	if !l.instance.frozen.pass(l.instance.dead) {
		return nil, errDead
	}
	if l.dice.Chance(l.world.rates().refuse) {
		l.world.counted.Add(refusedCall)
		return nil, fmt.Errorf("%w: pool timeout", counting.ErrNotApplied)
	}
	answers := make(chan answer, 1)
	r := l.roll(method)
	l.world.travels.Go(func() { l.travel(r, answers, do) })
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-l.instance.dead:
		return nil, errDead
	}
	if !l.instance.frozen.pass(l.instance.dead) {
		return nil, errDead
	}
	return a.value, a.err
}

// travel takes a call to its node and the answer back, or fails to.
func (l *link) travel(r route, answers chan<- answer, do func(context.Context) (any, error)) {
	time.Sleep(r.there)
	var a answer
	if !r.lostThere {
		reached, err := l.server.reached()
		switch {
		case err != nil:
			answers <- answer{err: err}
			return
		case !reached:
			r.lostThere = true
		default:
			a.value, a.err = do(context.Background())
		}
	}
	time.Sleep(r.back)
	if !r.lostThere && !r.lostBack {
		answers <- a
		return
	}
	if r.cut {
		answers <- answer{err: errCut}
	}
	if r.again == 0 {
		return
	}
	time.Sleep(r.again)
	if reached, err := l.server.reached(); reached && err == nil {
		l.world.counted.Add(duplicated)
		_, _ = do(context.Background())
	}
}

// counting notes how a batch went at its node.
func (l *link) counting(apply func(context.Context) (any, error)) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		value, err := apply(ctx)
		receipt, _ := value.(counting.Receipt)
		var gap *counting.GapError
		switch {
		case errors.As(err, &gap):
			l.world.counted.Add(batchGap)
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

// Claim also notes what the caller knows of it.
func (l *link) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	began := l.world.step()
	token, entry, err := l.Link.Claim(ctx, w, owner, lease)
	if err == nil && token != "" {
		l.world.claimed(w, l.instance.name, began)
	}
	return token, entry, err
}

// Advance also notes what the caller knows of a delivery. No instance saves what came
// of a window that another has taken over (P7).
func (l *link) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	if s.Action != counting.ActionDelivery {
		return l.Link.Advance(ctx, w, token, s)
	}
	by, late := l.world.checkNotSuperseded(w, l.instance.name)
	e, err := l.Link.Advance(ctx, w, token, s)
	if err != nil {
		return e, err
	}
	if late && !l.world.plan.rollBacks {
		l.world.violate("P7: %s saved %+v of %s after %s had taken the window over", l.instance.name, s.Delivery, s.Endpoint, by)
	}
	l.world.saved(w, s.Endpoint, l.instance.name, s.Delivery)
	return e, nil
}
