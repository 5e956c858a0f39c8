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
	l := &link{world: i.world, server: s, instance: i, dice: chaos.NewDice(i.world.Seed, i.Name+string(s.ID()))}
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
	if p.real && method == "seal" && !l.world.IsCalm() { // so that a sum would often lack a node's number
		rates.loseRequest, rates.loseReply = 0.1, 0.1
	}
	r := route{there: d.Between(100*time.Microsecond, 2*time.Millisecond), back: d.Between(100*time.Microsecond, 2*time.Millisecond)}
	if d.Chance(rates.delay) {
		l.world.Counted.Add(chaos.Delayed)
		r.there += d.Between(p.delay[0], p.delay[1])
	}
	switch {
	case d.Chance(rates.loseRequest):
		l.world.Counted.Add(chaos.LostRequest)
		r.lostThere = true
	case d.Chance(rates.loseReply):
		l.world.Counted.Add(chaos.LostReply)
		r.lostBack = true
	}
	r.cut = d.Chance(0.7)
	if d.Chance(rates.duplicate) {
		r.again = d.Between(p.again[0], p.again[1])
	}
	return r
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
	case c.Method == "seal" && err == nil && !l.world.IsCalm() && l.dice.Chance(l.world.plan.backAtSeal):
		l.world.Counted.Add(clockBack) // when it does most harm
		l.server.(*memoryServer).clock.back(l.dice.Between(3*time.Second, 10*time.Second))
	case isClaim && claim.Token == "":
		if errors.Is(err, counting.ErrBusy) {
			l.world.Counted.Add(claimBusy)
		}
		return value, err
	case isClaim:
		l.instance.countClaim()
	case errors.Is(err, counting.ErrStaleToken):
		l.world.Counted.Add(claimTakenOver)
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
	if l.world.Counted.Count(chaos.CrashAt(where)) == 0 {
		chance = 0.5
	}
	if l.dice.Chance(chance) {
		l.world.trip(l.instance, where, l.dice)
	}
}

// call lets an instance call a node. What is on its way lands, also
// when the caller is gone.
func (l *link) call(ctx context.Context, method string, do func(context.Context) (any, error)) (any, error) {
	if l.dice.Chance(l.world.rates().refuse) {
		l.world.Counted.Add(refusedCall)
		return nil, fmt.Errorf("%w: pool timeout", counting.ErrNotApplied)
	}
	r := l.roll(method)
	return l.instance.Call(ctx, &l.world.Travels, func() (any, error) { return l.travel(ctx, r, do) })
}

// travel takes a call to its node and the answer back, or fails to. A loss that isn't
// noticed lasts until the caller doesn't wait any more.
func (l *link) travel(caller context.Context, r route, do func(context.Context) (any, error)) (value any, err error) {
	time.Sleep(r.there)
	if !r.lostThere {
		reached, refused := l.server.reached()
		switch {
		case refused != nil:
			return nil, refused
		case !reached:
			r.lostThere = true
		default:
			value, err = do(context.Background())
		}
	}
	time.Sleep(r.back)
	if !r.lostThere && !r.lostBack {
		return value, err
	}
	if r.again > 0 {
		l.world.Travels.Go(func() { l.repeat(r.again, do) })
	}
	if !r.cut {
		select {
		case <-caller.Done():
		case <-l.instance.Dead:
		}
	}
	return nil, chaos.ErrCut
}

// repeat makes a call again, late.
func (l *link) repeat(after time.Duration, do func(context.Context) (any, error)) {
	time.Sleep(after)
	if reached, err := l.server.reached(); reached && err == nil {
		l.world.Counted.Add(chaos.Duplicated)
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
			l.world.Counted.Add(chaos.BatchGap)
		case errors.Is(err, counting.ErrNotApplied):
			l.world.Counted.Add(callNotApplied)
		case err != nil:
			l.world.Counted.Add(callUnknown)
		case receipt.Duplicate && len(receipt.Refused) > 0:
			l.world.Counted.Add(refusalRemembered)
			fallthrough
		case receipt.Duplicate:
			l.world.Counted.Add(batchDuplicate)
		}
		return value, err
	}
}

// clock is what the instance's clock shows.
func (l *link) clock(c counting.Clock) counting.Clock {
	c.Now = c.Now.Add(time.Duration(l.world.leap.Load()+l.instance.leap.Load()) + l.instance.skew)
	return c
}

func (l *link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b
	sent.Clock = l.clock(b.Clock)
	return l.Link.Apply(ctx, &sent)
}

func (l *link) Heartbeat(ctx context.Context, c counting.Clock) (counting.HeartbeatResult, error) {
	return l.Link.Heartbeat(ctx, l.clock(c))
}

func (l *link) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	return l.Link.Seal(ctx, w, grace, l.clock(c))
}

// Claim also notes what the caller knows of it.
func (l *link) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	began := l.world.step()
	token, entry, err := l.Link.Claim(ctx, w, owner, lease)
	if err == nil && token != "" {
		l.world.claimed(w, l.instance.Name, began)
	}
	return token, entry, err
}

// Advance also notes what the caller knows of a delivery. No instance saves what came
// of a window that another has taken over (P7).
func (l *link) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	if s.Action != counting.ActionDelivery {
		return l.Link.Advance(ctx, w, token, s)
	}
	by, late := l.world.checkNotSuperseded(w, l.instance.Name)
	e, err := l.Link.Advance(ctx, w, token, s)
	if err != nil {
		return e, err
	}
	if late && !l.world.plan.rollBacks {
		l.world.Violate("P7: %s saved %+v of %s after %s had taken the window over", l.instance.Name, s.Delivery, s.Endpoint, by)
	}
	l.world.saved(w, s.Endpoint, l.instance.Name, s.Delivery)
	return e, nil
}
