package model_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
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
	// skews: the clocks of two instances are off by 10 s all the time, one
	// ahead and one late, and that of a node by 3 s.
	skews bool
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
	// isDue tells whether the node's clock has shown a time.
	isDue(t time.Time) bool
	// mend restores what no other fault restores.
	mend()
}

// world is one run: nodes, instances, their callers, and the books.
type world struct {
	*books
	plan    plan
	mutant  mutant
	seed    uint64
	length  counting.WindowLength
	counted *chaos.Tally
	servers []server
	ring    *sharding.Ring
	begun   time.Time
	over    chan struct{}

	state     sync.Mutex
	calm      bool // nothing fails any more
	quiet     bool // no client sends ids for a while
	instances []*instance
	lives     []int
	nextID    counting.ID

	chaos, load, travels sync.WaitGroup
}

func newWorld(seed uint64, p plan, m mutant, start func(w *world, i int) server) *world {
	w := &world{
		books: newBooks(), plan: p, mutant: m, seed: seed, length: counting.WindowLength(p.window),
		counted: chaos.NewTally(), begun: time.Now(), over: make(chan struct{}),
		instances: make([]*instance, p.instances), lives: make([]int, p.instances),
	}
	for i := range nodeCount {
		w.servers = append(w.servers, start(w, i))
	}
	return w
}

// run lets the world go on for its time, mends it, and checks it.
func (w *world) run(ctx context.Context) {
	var starting sync.WaitGroup
	for slot := range w.instances { // together: they have to agree on a ring
		starting.Go(func() { w.revive(slot) })
	}
	starting.Wait()
	for d := chaos.NewDice(w.seed, "ring"); w.ring == nil; { // the first ones may have crashed by now
		if i := w.pick(d); i != nil {
			w.ring = i.cluster.View().Ring
		} else {
			time.Sleep(w.plan.pause)
		}
	}
	w.plant(ctx)
	w.unleash(ctx)
	for client := range w.plan.clients {
		w.load.Go(func() { w.send(ctx, chaos.NewDice(w.seed, fmt.Sprint("client", client))) })
	}
	time.Sleep(w.plan.lasts)
	// A busy machine gets more time until everything has happened.
	until(ctx, 6*w.plan.lasts, func() bool { return len(w.counted.Missing(w.plan.wanted)) == 0 })
	w.mend()
	w.load.Wait()
	if w.plan.real {
		w.end(ctx, 30*time.Second, w.isClosed)
		w.restart()
	} else {
		time.Sleep(settled + 2*w.plan.window)
		w.touch(ctx)
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
		w.account(page).Base = math.MaxInt64 - headroom
	}
	for i, m := range w.ring.Members() {
		s := w.servers[slices.IndexFunc(w.servers, func(s server) bool { return s.ID() == m.ID })]
		n := s.direct(true)
		// The first node that opens a ring makes it: the others may not have
		// opened it yet.
		if err := n.Open(ctx, w.ring); err != nil {
			w.violate("can't open %s: %v", m.ID, err)
		}
		if _, err := n.Apply(ctx, batches[i]); err != nil {
			w.violate("can't plant on %s: %v", m.ID, err)
		}
		n.hangUp()
	}
}

func brim(i int) counting.Page { return counting.Page(fmt.Sprintf("brim/%d", i%brimPages)) }

// fullPage is one of a few pages that reach their limit now.
func (w *world) fullPage(d *chaos.Dice) counting.Visit {
	return counting.Visit{Page: brim(int(time.Since(w.begun)/w.plan.brimFor) + d.UpTo(3)), Count: int64(1 + d.UpTo(9))}
}

// send makes requests until the world is calm.
func (w *world) send(ctx context.Context, d *chaos.Dice) {
	for !w.isCalm() {
		time.Sleep(d.About(w.plan.pause))
		i := w.pick(d)
		if i == nil {
			continue
		}
		anyPage := func() counting.Page { return counting.Page(fmt.Sprintf("page/%d", d.UpTo(40))) }
		visit := counting.Visit{Page: anyPage(), Count: int64(1 + d.UpTo(3))}
		switch x := d.UpTo(100); {
		case x < 10 && w.plan.brims:
			w.countOnce(ctx, d, visit, w.fullPage(d))
		case x < 45:
			i.count(ctx, visit)
		case x < 55 && w.plan.brims:
			i.count(ctx, visit, w.fullPage(d))
		case x < 58:
			w.read(ctx, i, visit.Page, anyPage())
		case x < 61:
			w.read(ctx, i, visit.Page)
		case w.isQuiet():
		case x < 65: // the same id at two instances together
			id := w.newID()
			other := w.pick(d)
			var both sync.WaitGroup
			both.Go(func() { i.accept(ctx, id, "") })
			if other != nil {
				other.accept(ctx, id, "")
			}
			both.Wait()
		case x < 72:
			i.accept(ctx, w.newID(), publishing.Endpoint(fmt.Sprintf("http://e%d/", d.UpTo(w.plan.endpoints))))
		case x < 74:
			i.accept(ctx, w.newID(), forbidden)
		default:
			i.accept(ctx, w.newID(), "")
		}
	}
}

// countOnce sends a request with a key a few times, to any instance, also when
// it was acknowledged: it is counted once.
func (w *world) countOnce(ctx context.Context, d *chaos.Dice, visits ...counting.Visit) {
	key, err := counting.ParseKey(fmt.Sprint("key ", w.newID()))
	if err != nil {
		panic(err)
	}
	request := counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}
	outcomes := slices.Repeat([]chaos.Outcome{chaos.Refused}, len(visits))
	for _, v := range visits {
		w.account(v.Page).Issue(v.Count)
	}
	for range 2 + d.UpTo(3) {
		i := w.pick(d)
		if i == nil {
			continue
		}
		errs, err := i.visits.RecordOnce(ctx, request, visits)
		for k := range visits {
			answer := err
			if err == nil {
				answer = errs[k]
			}
			switch outcome := i.outcome(answer); {
			case outcomes[k] == chaos.Acknowledged:
				w.counted.Add(keyRepeated)
			case outcome != chaos.Refused:
				outcomes[k] = outcome
			}
		}
		time.Sleep(d.Between(0, 100*time.Millisecond))
	}
	for k, v := range visits {
		w.account(v.Page).Settle(outcomes[k], v.Count)
	}
}

// read checks that a reading is an error, or lies between what was acknowledged
// before and what was sent until after (P3).
func (w *world) read(ctx context.Context, i *instance, pages ...counting.Page) {
	least := make([]int64, len(pages))
	for k, page := range pages {
		least[k], _ = w.account(page).Bounds()
	}
	readings := i.visits.Read(ctx, pages)
	if i.isDead() || w.plan.rollBacks {
		return
	}
	for k, got := range readings {
		if got.Err != nil {
			w.counted.Add(readFailed)
			continue
		}
		if _, most := w.account(pages[k]).Bounds(); got.Visits < least[k] || got.Visits > most {
			w.violate("P3: page %s read %d, want %d to %d", pages[k], got.Visits, least[k], most)
		}
	}
}

// touch lets every instance send something to every node, so that a node that
// was rolled back last is repaired.
func (w *world) touch(ctx context.Context) {
	for _, i := range w.instances {
		touched := make(map[int]bool)
		for n := 0; len(touched) < nodeCount; n++ {
			page := counting.Page(fmt.Sprintf("touch/%d", n))
			if owner := w.ring.Owner(w.ring.Arc(page)); !touched[owner] {
				touched[owner] = true
				i.count(ctx, counting.Visit{Page: page, Count: 1})
			}
		}
	}
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
	for _, i := range w.instances {
		ending.Go(func() {
			if err := i.stop(ctx); err != nil {
				w.violate("P10: %s did not stop: %v", i.name, err)
			}
			i.hangUp()
		})
	}
	ending.Wait()
	close(w.over)
	w.travels.Wait()
}

// until waits for a condition, but not longer than d.
func until(ctx context.Context, d time.Duration, ready func() bool) {
	for end := time.Now().Add(d); ctx.Err() == nil && time.Now().Before(end) && !ready(); {
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) rates() rates {
	if w.isCalm() {
		return rates{}
	}
	return w.plan.rates
}

func (w *world) isCalm() bool {
	w.state.Lock()
	defer w.state.Unlock()
	return w.calm
}

func (w *world) isQuiet() bool {
	w.state.Lock()
	defer w.state.Unlock()
	return w.quiet
}

func (w *world) setQuiet(quiet bool) {
	w.state.Lock()
	defer w.state.Unlock()
	w.quiet = quiet
}

func (w *world) newID() counting.ID {
	w.state.Lock()
	defer w.state.Unlock()
	w.nextID++
	return w.nextID
}

// pick is any instance that is alive, nil when none is.
func (w *world) pick(d *chaos.Dice) *instance {
	w.state.Lock()
	defer w.state.Unlock()
	alive := slices.DeleteFunc(slices.Clone(w.instances), func(i *instance) bool { return i == nil })
	if len(alive) == 0 {
		return nil
	}
	return alive[d.UpTo(len(alive))]
}

// slotOf is where an instance that is alive is kept, -1 when it isn't.
func (w *world) slotOf(i *instance) int {
	w.state.Lock()
	defer w.state.Unlock()
	return slices.Index(w.instances, i)
}
