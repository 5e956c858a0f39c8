package model_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

const (
	nodeCount = 3
	// settled is how long after its end a window must have been published in
	// virtual time, once nothing fails.
	settled = 40 * time.Second
	// headroom is what a page that is planted nearly full can still count.
	headroom  = 30
	brimPages = 200
	// maxSkew is the greatest skew of all plans in memory.
	maxSkew = 10 * time.Second
	// forbidden is an endpoint that the policy refuses.
	forbidden = publishing.Endpoint("http://forbidden/")
)

// rates are the probabilities of what may happen to one call.
type rates struct{ loseRequest, loseReply, delay, duplicate, refuse float64 }

// plan says what goes wrong in a run.
type plan struct {
	// real: the nodes are Redis servers, and time is real.
	real               bool
	instances, clients int
	lasts              time.Duration
	window, grace      time.Duration
	lease              time.Duration // 0 is that of the service
	pause              time.Duration // between two requests of a client, about
	delay, again       [2]time.Duration
	rates              rates
	// closes: windows are so short that many are closed.
	closes bool
	// crashes of instances, and crashes or freezes at the steps of a close.
	crashes, freezes  bool
	outages           bool // nodes stop, and come back
	clocks, rollBacks bool
	sockets           bool // the proxies cut, drop, refuse and stall
	// skews: the clocks of two instances are off by 3 s all the time, one
	// ahead and one late, and that of a node by 3 s.
	skews bool
	// leaps: the clock of a node or of an instance, or all of them, leap and later return.
	// They leap by half a minute to an hour, ahead or back.
	leaps bool
	// backAtSeal is how often a clock steps back just when its node sealed.
	backAtSeal float64
	// absences is how often an instance freezes in a callback, for longer than
	// its lease, and continues with what it knew.
	absences float64
	// brims: some pages are nearly full, a few for brimFor at a time.
	brims   bool
	brimFor time.Duration
	// endpoints are how many there are. endpointLimit is lower where an endpoint
	// beyond it is to be seen.
	endpoints, endpointLimit int
	endpointsFail            bool
	// brokerFails and logFails are how often a publisher does not confirm.
	brokerFails, logFails float64
	// wanted are faults without which the run proves nothing.
	wanted []chaos.Fault
}

// server is one node with what it runs on.
type server interface {
	ID() counting.NodeID
	// dial is the node as an instance calls it through the network.
	dial(i *instance) dialled
	// direct is the node without the network. planting: with the mutant's text.
	direct(planting bool) dialled
	// reached is false when a request gets no answer; the error is that of a
	// refused connection.
	reached() (bool, error)
	// hasClosed tells whether the node may have sealed a window that was due at a time.
	hasClosed(w counting.Window, due time.Time) bool
	// mend restores what no other fault restores.
	mend()
}

// world is one run: nodes, instances, their callers, and the books.
type world struct {
	*chaos.Run[*instance]
	*books
	plan    plan
	mutant  mutant
	length  counting.WindowLength
	servers []server
	ring    *sharding.Ring
	over    chan struct{}
	quiet   atomic.Bool  // no client sends ids for a while
	leap    atomic.Int64 // of all clocks together
}

// now is the time that clocks would show that are right. All may have leapt together:
// then nothing in the world can tell.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.leap.Load())) }

func newWorld(seed uint64, p plan, m mutant, start func(w *world, i int) server) *world {
	w := &world{
		Run: chaos.NewRun[*instance](seed, p.instances), books: newBooks(), plan: p, mutant: m,
		length: counting.WindowLength(p.window), over: make(chan struct{}),
	}
	w.Start = w.start
	for i := range nodeCount {
		w.servers = append(w.servers, start(w, i))
	}
	return w
}

// run lets the world go on for its time, mends it, and checks it.
func (w *world) run(ctx context.Context) {
	var starting sync.WaitGroup
	for slot := range w.plan.instances { // together: they have to agree on a ring
		starting.Go(func() { w.Revive(slot) })
	}
	starting.Wait()
	for d := chaos.NewDice(w.Seed, "ring"); w.ring == nil; { // the first ones may have crashed by now
		if i := w.Pick(d); i != nil {
			w.ring = i.cluster.View().Ring
		} else {
			time.Sleep(w.plan.pause)
		}
	}
	w.plant(ctx)
	w.unleash(ctx)
	for client := range w.plan.clients {
		w.Load.Go(func() { w.send(ctx, chaos.NewDice(w.Seed, fmt.Sprint("client", client))) })
	}
	time.Sleep(w.plan.lasts)
	// A busy machine gets more time until everything has happened.
	until(ctx, 6*w.plan.lasts, func() bool { return len(w.Counted.Missing(w.plan.wanted)) == 0 })
	w.mend()
	w.Load.Wait()
	if w.plan.real {
		w.end(ctx, 30*time.Second, w.isClosed)
		w.restart()
	} else {
		time.Sleep(settled + 2*w.plan.window)
		if w.plan.leaps { // windows that were sealed ahead push ids to later ones
			time.Sleep(10 * w.plan.window)
		}
		w.end(ctx, 0, nil)
		time.Sleep(w.plan.window) // requests that are under way arrive
	}
	w.check(ctx)
}

// plant fills pages nearly up.
func (w *world) plant(ctx context.Context) {
	if !w.plan.brims {
		return
	}
	batches := make([]*counting.Batch, nodeCount)
	for i := range batches {
		batches[i] = &counting.Batch{Epoch: w.ring.Epoch(), Session: "plant", Seq: 1}
	}
	for i := range brimPages {
		page := brim(i)
		arc := w.ring.Arc(page)
		b := batches[w.ring.Owner(arc)]
		b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: page, Count: math.MaxInt64 - headroom})
		w.Account(page).Base = math.MaxInt64 - headroom
	}
	for i, m := range w.ring.Members() {
		s := w.servers[slices.IndexFunc(w.servers, func(s server) bool { return s.ID() == m.ID })]
		n := s.direct(true)
		// The first node that opens a ring makes it: the others may not have
		// opened it yet.
		if err := n.Open(ctx, w.ring); err != nil {
			w.Violate("can't open %s: %v", m.ID, err)
		}
		if _, err := n.Apply(ctx, batches[i]); err != nil {
			w.Violate("can't plant on %s: %v", m.ID, err)
		}
		n.hangUp()
	}
}

func brim(i int) counting.Page { return counting.Page(fmt.Sprintf("brim/%d", i%brimPages)) }

// fullPage is one of a few pages that reach their limit now.
func (w *world) fullPage(d *chaos.Dice) counting.Visit {
	return counting.Visit{Page: brim(int(time.Since(w.Begun)/w.plan.brimFor) + d.UpTo(3)), Count: int64(1 + d.UpTo(9))}
}

// send makes requests until the world is calm.
func (w *world) send(ctx context.Context, d *chaos.Dice) {
	for !w.IsCalm() {
		time.Sleep(d.About(w.plan.pause))
		i := w.Pick(d)
		if i == nil {
			continue
		}
		anyPage := func() counting.Page { return counting.Page(fmt.Sprintf("page/%d", d.UpTo(40))) }
		visit := counting.Visit{Page: anyPage(), Count: int64(1 + d.UpTo(3))}
		switch x := d.UpTo(100); {
		case x < 10 && w.plan.brims:
			w.CountOnce(ctx, d, w.caller, 2+d.UpTo(3), 100*time.Millisecond, visit, w.fullPage(d))
		case x < 45:
			i.Count(ctx, visit)
		case x < 55 && w.plan.brims:
			i.Count(ctx, visit, w.fullPage(d))
		case x < 58:
			i.Read(ctx, visit.Page, anyPage())
		case x < 61:
			i.Read(ctx, visit.Page)
		case w.quiet.Load():
		case x < 65: // the same id at two instances together
			id := w.NewID()
			other := w.Pick(d)
			var both sync.WaitGroup
			both.Go(func() { i.accept(ctx, id, "") })
			if other != nil {
				other.accept(ctx, id, "")
			}
			both.Wait()
		case x < 72:
			i.accept(ctx, w.NewID(), publishing.Endpoint(fmt.Sprintf("http://e%d/", d.UpTo(w.plan.endpoints))))
		case x < 74:
			i.accept(ctx, w.NewID(), forbidden)
		default:
			i.accept(ctx, w.NewID(), "")
		}
	}
}

// caller is that of any instance that is alive, nil when none is.
func (w *world) caller(d *chaos.Dice) *chaos.Caller {
	if i := w.Pick(d); i != nil {
		return i.Caller
	}
	return nil
}

// end waits until a condition holds, but not too long, and stops every instance
// cleanly: batches in doubt are resolved.
func (w *world) end(ctx context.Context, patience time.Duration, ready func() bool) {
	until(ctx, patience, ready)
	wait := 20 * time.Second
	if w.mutant.text != "" { // a script that fails halfway is never resolved
		wait = time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var ending sync.WaitGroup
	for _, i := range w.Instances() {
		ending.Go(func() {
			if err := i.stop(ctx); err != nil {
				w.Violate("P10: %s did not stop: %v", i.Name, err)
			}
			i.hangUp()
		})
	}
	ending.Wait()
	close(w.over)
	w.Travels.Wait()
}

// until waits for a condition, but not longer than d.
func until(ctx context.Context, d time.Duration, ready func() bool) {
	for end := time.Now().Add(d); ctx.Err() == nil && time.Now().Before(end) && !ready(); {
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) rates() rates {
	if w.IsCalm() {
		return rates{}
	}
	return w.plan.rates
}
