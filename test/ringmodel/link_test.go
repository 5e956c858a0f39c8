package ringmodel_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// link is the network between one instance and one node: it loses requests
// and replies, delays and repeats them.
type link struct {
	chaos.Link // to the server
	server     *server
	instance   *instance
	dice       *chaos.Dice
	cut        atomic.Int64 // until then nothing gets through, in Unix nanoseconds
	addr       atomic.Value // where it leads, a string
}

// Addr is where it leads.
func (l *link) Addr() string { return l.addr.Load().(string) }

func (l *link) move(addr string) { l.addr.Store(addr) }

// leads tells whether the server is where the link leads, and on.
func (l *link) leads() bool {
	return l.server.Addr() == l.Addr() && (!l.server.down.Load() || l.instance.world.plan.real) // a real one says so itself
}

func (l *link) isCut() bool {
	return time.Now().UnixNano() < l.cut.Load() && !l.instance.world.IsCalm()
}

func (i *instance) link(s *server, addr string) chaos.Node {
	l := &link{server: s, instance: i, dice: chaos.NewDice(i.world.Seed, i.Name+string(s.ID()))}
	l.Link = chaos.Link{Far: s, Around: l.around}
	l.move(addr)
	i.links.Store(s.ID(), l)
	if i.world.mutant.client != nil {
		return i.world.mutant.client(l)
	}
	return l
}

// kind is what sort of call it is, for what may happen to it.
type kind int

const (
	plain kind = iota
	stepOfMove
	fencing // and the others of a change
	accepting
	opening
)

// kinds are those of calls by their methods; other calls have no faults.
func kinds() map[string]kind {
	return map[string]kind{
		"apply": plain, "read": plain, "readparts": plain, "heartbeat": plain, "seal": plain, "ringstate": plain,
		"ringsummary": plain, "incomingarcs": plain, "findkeys": plain, "entries": plain,
		"readhistory": plain, "compact": plain, "drophistory": plain,
		"fence": fencing, "accept": accepting, "open": opening,
		"claimarcs": stepOfMove, "fetch": stepOfMove, "import": stepOfMove, "confirm": stepOfMove,
		"retirearc": stepOfMove, "closearc": stepOfMove, "importentries": stepOfMove,
	}
}

// around is a call with what may happen to it and to the instance.
func (l *link) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	k, faulty := kinds()[c.Method]
	if !faulty {
		return do(ctx)
	}
	if c.Method == "readparts" {
		l.instance.world.Counted.Add(rereads)
	}
	return l.call(ctx, k, do)
}

// call lets an instance call a node. What is on its way lands, whatever
// becomes of the caller.
func (l *link) call(ctx context.Context, k kind, do func(context.Context) (any, error)) (any, error) {
	w := l.instance.world
	trip := w.plan.crashes && !w.IsCalm() && l.dice.Chance(w.plan.trips[k])
	if trip && l.dice.Chance(0.5) {
		w.trip(l.instance, k)
		return nil, chaos.ErrDead
	}
	v, err := l.instance.Call(ctx, &w.Travels, func() (any, error) {
		if k >= fencing && !w.IsCalm() && l.dice.Chance(w.plan.quarrels.stop) {
			w.stopInChange(l.instance, l.dice)
		}
		return l.travel(k, do)
	})
	if trip {
		w.trip(l.instance, k)
		return nil, chaos.ErrDead
	}
	if k == stepOfMove && err != nil && !l.instance.IsDead() {
		w.Counted.Add(moveInterrupted)
	}
	return v, err
}

// travel takes a call to its node and the answer back, or fails to.
func (l *link) travel(k kind, do func(context.Context) (any, error)) (any, error) {
	w, d := l.instance.world, l.dice
	r := w.plan.rates
	if w.IsCalm() {
		r = rates{}
	}
	if k == stepOfMove {
		r.loseRequest, r.loseReply = r.loseRequest+r.steps, r.loseReply+r.steps
	}
	falls := l.server.falls.Load()
	time.Sleep(d.Between(100*time.Microsecond, 2*time.Millisecond))
	if d.Chance(r.delay) {
		w.Counted.Add(chaos.Delayed)
		time.Sleep(d.Between(r.late/30, r.late))
	}
	if l.isCut() || !l.leads() {
		return nil, fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	if l.isOver(falls) {
		return nil, chaos.ErrCut
	}
	var v any
	var err error
	lostThere, lostBack := d.Chance(r.loseRequest), d.Chance(r.loseReply)
	if lostThere {
		w.Counted.Add(chaos.LostRequest)
	} else {
		v, err = do(context.Background())
	}
	if k >= fencing && err == nil && !w.IsCalm() && d.Chance(w.plan.quarrels.away) {
		w.dieInChange(l.server, k, d)
	}
	lost := lostThere || lostBack
	if lost && d.Chance(r.duplicate) || k == stepOfMove && d.Chance(r.copies) {
		l.repeat(k, func() { _, _ = do(context.Background()) })
	}
	if !lost {
		time.Sleep(d.Between(100*time.Microsecond, 2*time.Millisecond))
		return v, err
	}
	if lostBack {
		w.Counted.Add(chaos.LostReply)
	}
	if d.Chance(r.unnoticed) {
		time.Sleep(2 * time.Second) // it isn't noticed
	}
	return nil, chaos.ErrCut
}

// isOver tells whether a fall has ended the connection on which a call was made when its node
// had fallen back so often. A batch that comes on an older one would be placed when it comes.
func (l *link) isOver(falls int64) bool {
	p := l.instance.world.plan
	return (p.powerCuts || p.history) && l.server.falls.Load() != falls
}

// repeat makes a call again, late.
func (l *link) repeat(k kind, again func()) {
	w := l.instance.world
	most := 3 * time.Second
	if k != plain {
		most = w.plan.late
	}
	falls := l.server.falls.Load()
	w.Travels.Go(func() {
		w.Rest(l.dice.Between(time.Millisecond, w.span(most)))
		if !l.server.down.Load() && l.leads() && !l.isOver(falls) {
			w.Counted.Add(chaos.Duplicated)
			again()
		}
	})
}
