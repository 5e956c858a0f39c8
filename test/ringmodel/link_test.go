package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

var (
	errCut  = errors.New("connection cut")
	errDead = errors.New("this instance is dead")
)

// link is the network between one instance and one node: it loses requests
// and replies, delays and repeats them.
type link struct {
	cluster.Node // the server: what isn't wrapped here has no faults
	server       *server
	instance     *instance
	dice         *chaos.Dice
	cut          atomic.Int64 // until then nothing gets through, in Unix nanoseconds
}

func (l *link) isCut() bool {
	return time.Now().UnixNano() < l.cut.Load() && !l.instance.world.isCalm()
}

func (i *instance) link(s *server) cluster.Node {
	l := &link{Node: s, server: s, instance: i, dice: chaos.NewDice(i.world.seed, i.name+string(s.ID()))}
	i.links.Store(s.ID(), l)
	if i.world.mutant.client != nil {
		return i.world.mutant.client(l)
	}
	return l
}

// kind is what sort of call it is, for what may befall it.
type kind int

const (
	plain kind = iota
	stepOfMove
	fencing // and the others of a change
	approving
	opening
)

// call lets an instance call a node. What is on its way lands, whatever
// becomes of the caller.
func call[T any](ctx context.Context, l *link, k kind, do func(context.Context, *server) (T, error)) (T, error) {
	var none T
	w := l.instance.world
	if !l.instance.frozen.pass(l.instance.dead) {
		return none, errDead
	}
	trip := w.plan.crashes && !w.isCalm() && l.dice.Chance(w.plan.trips[k])
	if trip && l.dice.Chance(0.5) {
		w.trip(l.instance, k)
		return none, errDead
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	w.travels.Go(func() {
		v, err := travel(l, k, do)
		answers <- answer{v, err}
	})
	if k >= fencing && !w.isCalm() && l.dice.Chance(w.plan.quarrels.stop) {
		w.stopInChange(l.instance, l.dice)
	}
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-l.instance.dead:
		return none, errDead
	}
	if trip {
		w.trip(l.instance, k)
	}
	if !l.instance.frozen.pass(l.instance.dead) {
		return none, errDead
	}
	select {
	case a = <-answers: // it came while the instance was stopped, as its deadline did
	default:
	}
	if k == stepOfMove && a.err != nil {
		w.counted.Add(moveBroken)
	}
	return a.value, a.err
}

// travel takes a call to its node and the answer back, or fails to.
func travel[T any](l *link, k kind, do func(context.Context, *server) (T, error)) (T, error) {
	var none T
	w, d := l.instance.world, l.dice
	r := w.plan.rates
	if w.isCalm() {
		r = rates{}
	}
	if k == stepOfMove {
		r.loseRequest, r.loseReply = r.loseRequest+r.steps, r.loseReply+r.steps
	}
	falls := l.server.falls.Load()
	time.Sleep(d.Between(100*time.Microsecond, 2*time.Millisecond))
	if d.Chance(r.delay) {
		w.counted.Add(delayed)
		time.Sleep(d.Between(r.late/30, r.late))
	}
	if l.isCut() || l.server.down.Load() && !w.plan.real { // a real one says so itself
		return none, fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	if l.isOver(falls) {
		return none, errCut
	}
	var v T
	var err error
	lostThere, lostBack := d.Chance(r.loseRequest), d.Chance(r.loseReply)
	if lostThere {
		w.counted.Add(lostRequest)
	} else {
		v, err = do(context.Background(), l.server)
	}
	if k >= fencing && err == nil && !w.isCalm() && d.Chance(w.plan.quarrels.away) {
		w.dieInChange(l.server, k, d)
	}
	lost := lostThere || lostBack
	if lost && d.Chance(r.duplicate) || k == stepOfMove && d.Chance(r.copies) {
		l.stray(k, func() { _, _ = do(context.Background(), l.server) })
	}
	if !lost {
		time.Sleep(d.Between(100*time.Microsecond, 2*time.Millisecond))
		return v, err
	}
	if lostBack {
		w.counted.Add(lostReply)
	}
	if d.Chance(r.unnoticed) {
		time.Sleep(2 * time.Second) // it isn't noticed
	}
	return none, errCut
}

// isOver tells whether a power cut has ended the connection on which a call was
// made when its node had fallen back so often.
func (l *link) isOver(falls int64) bool {
	return l.instance.world.plan.powerCuts && l.server.falls.Load() != falls
}

// stray makes a call again, late.
func (l *link) stray(k kind, again func()) {
	w := l.instance.world
	most := 3 * time.Second
	if k != plain {
		most = w.plan.stray
	}
	falls := l.server.falls.Load()
	w.travels.Go(func() {
		w.rest(l.dice.Between(time.Millisecond, w.span(most)))
		if !l.server.down.Load() && !l.isOver(falls) {
			w.counted.Add(duplicated)
			again()
		}
	})
}

// do is call for what has no result but an error.
func do(ctx context.Context, l *link, k kind, f func(context.Context, *server) error) error {
	_, err := call(ctx, l, k, func(ctx context.Context, s *server) (struct{}, error) { return struct{}{}, f(ctx, s) })
	return err
}

func (l *link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b // what is on its way doesn't change when the sender goes on
	return call(ctx, l, plain, func(ctx context.Context, s *server) (counting.Receipt, error) { return s.Apply(ctx, &sent) })
}

func (l *link) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) ([]counting.Tally, error) { return s.Read(ctx, epoch, pages) })
}

func (l *link) ReadParts(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Part, error) {
	l.instance.world.counted.Add(rereads)
	return call(ctx, l, plain, func(ctx context.Context, s *server) ([]counting.Part, error) { return s.ReadParts(ctx, epoch, pages) })
}

func (l *link) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) (counting.HeartbeatResult, error) { return s.Heartbeat(ctx) })
}

func (l *link) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) (int64, error) { return s.Seal(ctx, w, grace) })
}

func (l *link) RingState(ctx context.Context) (sharding.RingState, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) (sharding.RingState, error) { return s.RingState(ctx) })
}

func (l *link) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) (sharding.RingSummary, error) { return s.RingSummary(ctx) })
}

func (l *link) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	return call(ctx, l, fencing, func(ctx context.Context, s *server) (counting.Window, error) { return s.Fence(ctx, r) })
}

func (l *link) Accept(ctx context.Context, r *sharding.Ring) error {
	return do(ctx, l, approving, func(ctx context.Context, s *server) error { return s.Accept(ctx, r) })
}

func (l *link) Open(ctx context.Context, r *sharding.Ring) error {
	return do(ctx, l, opening, func(ctx context.Context, s *server) error { return s.Open(ctx, r) })
}

func (l *link) IncomingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) ([]counting.Arc, error) { return s.IncomingArcs(ctx, table) })
}

func (l *link) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	return call(ctx, l, stepOfMove, func(ctx context.Context, s *server) ([]counting.FrozenPages, error) {
		return s.ClaimArcs(ctx, table, arcs)
	})
}

type fetched struct {
	pages []counting.Visit
	next  string
}

func (l *link) FetchPages(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.Visit, string, error) {
	f, err := call(ctx, l, stepOfMove, func(ctx context.Context, s *server) (fetched, error) {
		pages, next, err := s.FetchPages(ctx, table, arc, cursor)
		return fetched{pages, next}, err
	})
	return f.pages, f.next, err
}

func (l *link) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, pages []counting.Visit) (counting.ImportResult, error) {
	return call(ctx, l, stepOfMove, func(ctx context.Context, s *server) (counting.ImportResult, error) {
		return s.Import(ctx, table, arc, pages)
	})
}

func (l *link) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	return call(ctx, l, stepOfMove, func(ctx context.Context, s *server) ([]counting.ImportResult, error) {
		return s.Confirm(ctx, table, arcs)
	})
}

type fetchedKeys struct {
	keys []counting.StoredKey
	next string
}

func (l *link) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.StoredKey, string, error) {
	f, err := call(ctx, l, stepOfMove, func(ctx context.Context, s *server) (fetchedKeys, error) {
		keys, next, err := s.FetchKeys(ctx, table, arc, cursor)
		return fetchedKeys{keys, next}, err
	})
	return f.keys, f.next, err
}

func (l *link) ImportKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.StoredKey) (bool, error) {
	return call(ctx, l, stepOfMove, func(ctx context.Context, s *server) (bool, error) { return s.ImportKeys(ctx, table, arc, keys) })
}

func (l *link) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	return call(ctx, l, plain, func(ctx context.Context, s *server) ([]counting.KeyLookup, error) {
		return s.FindKeys(ctx, epoch, keys)
	})
}

func (l *link) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return do(ctx, l, stepOfMove, func(ctx context.Context, s *server) error { return s.RetireArc(ctx, table, arc, pages) })
}

func (l *link) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return do(ctx, l, stepOfMove, func(ctx context.Context, s *server) error { return s.CloseArc(ctx, table, arc, pages) })
}
