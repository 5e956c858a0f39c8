package model_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

const (
	windowLength = 10 * time.Second
	grace        = 2 * time.Second
	servers      = 3
	// settled is how long after its end a window must have been published
	// when nothing fails any more.
	settled = 40 * time.Second
	// headroom is what a page that is planted nearly full can still take.
	headroom = 30
)

// rates are the probabilities of what may befall one call.
type rates struct{ loseRequest, loseReply, delay, duplicate, refuse float64 }

// plan says what goes wrong in a run.
type plan struct {
	instances, clients int
	lasts              time.Duration
	rates              rates
	crashes, outages   bool
	clocks, rollBacks  bool
	// skews: the clocks of two instances are off by 10 s all the time, one
	// ahead and one behind, and that of a node by 3 s.
	skews bool
	// backAtSeal is how often a clock is set back just when its node sealed.
	backAtSeal float64
	// absences is how often an instance freezes in a callback, for longer than
	// its lease, and goes on with what it knew of it.
	absences float64
	// brims: some pages are nearly full. endpointLimit is low where an
	// endpoint beyond it is to be seen.
	brims         bool
	endpointLimit int
	// brokerFails and logFails are how often a publisher does not confirm.
	brokerFails, logFails float64
}

// world is one run: nodes, instances, those who call them, and the books.
type world struct {
	*books
	plan    plan
	mutant  mutant
	seed    uint64
	length  counting.WindowLength
	counted *chaos.Tally
	servers []*server
	ring    *sharding.Ring
	over    chan struct{}

	state     sync.Mutex
	calm      bool // nothing fails any more
	quiet     bool // nobody sends ids for a while
	instances []*instance
	lives     []int
	nextID    counting.ID

	chaos, load sync.WaitGroup
}

func newWorld(seed uint64, p plan, m mutant) *world {
	w := &world{
		books: newBooks(), plan: p, mutant: m, seed: seed, length: counting.WindowLength(windowLength),
		counted: chaos.NewTally(), over: make(chan struct{}),
		instances: make([]*instance, p.instances), lives: make([]int, p.instances),
	}
	for i := range servers {
		w.servers = append(w.servers, newServer(i, w.length, m, w.counted, w.over))
	}
	if p.skews {
		s := w.servers[seed%servers]
		s.off = []time.Duration{-3 * time.Second, 3 * time.Second}[seed/servers%2]
		s.clock.step(s.off)
		w.counted.Add(nodeOff)
	}
	return w
}

// run lets the world go on for its time, mends it, and checks it. It is
// called in a bubble of virtual time.
func (w *world) run(ctx context.Context) {
	var starting sync.WaitGroup
	for slot := range w.instances { // all at once: they have to agree on a ring
		starting.Go(func() { w.revive(slot) })
	}
	starting.Wait()
	for d := chaos.NewDice(w.seed, "ring"); w.ring == nil; { // the first ones may have crashed by now
		if i := w.pick(d); i != nil {
			w.ring = i.cluster.View().Ring
		} else {
			time.Sleep(time.Second)
		}
	}
	w.plant(ctx)
	w.unleash()
	for client := range w.plan.clients {
		w.load.Go(func() { w.send(ctx, chaos.NewDice(w.seed, fmt.Sprint("client", client))) })
	}
	time.Sleep(w.plan.lasts)
	w.mend()
	w.load.Wait()
	time.Sleep(settled + 2*windowLength)
	w.touch(ctx)
	w.end(ctx)
	time.Sleep(windowLength) // what is still on its way lands
	w.check()
}

// plant fills pages nearly up.
func (w *world) plant(ctx context.Context) {
	for i, seq := 0, map[int]int64{}; w.plan.brims && i < brimPages; i++ {
		page := brim(i)
		owner := w.ring.Owner(w.ring.Arc(page))
		seq[owner]++
		b := &counting.Batch{Epoch: w.ring.Epoch(), Session: "plant", Seq: seq[owner], Visits: []counting.Visit{
			{Arc: w.ring.Arc(page), Page: page, Count: math.MaxInt64 - headroom},
		}}
		if _, err := w.servers[owner].memory.Apply(ctx, b); err != nil {
			w.violate("can't plant %s: %v", page, err)
		}
		w.account(page).Base = math.MaxInt64 - headroom
	}
}

const (
	brimPages = 64
	// forbidden is an endpoint that the policy refuses.
	forbidden = publishing.Endpoint("http://forbidden/")
)

func brim(i int) counting.Page { return counting.Page(fmt.Sprintf("brim/%d", i%brimPages)) }

// send makes requests until the world is calm.
func (w *world) send(ctx context.Context, d *chaos.Dice) {
	for n := 0; !w.isCalm(); n++ {
		time.Sleep(d.About(40 * time.Millisecond))
		i := w.pick(d)
		if i == nil {
			continue
		}
		page := counting.Page(fmt.Sprintf("page/%d", d.UpTo(40)))
		switch x := d.UpTo(100); {
		case x < 45:
			i.count(ctx, page, int64(1+d.UpTo(3)))
		case x < 55 && w.plan.brims:
			i.count(ctx, brim(int(time.Now().Unix()/2)), int64(1+d.UpTo(9)))
		case x < 60:
			w.read(ctx, i, page)
		case w.isQuiet():
		case x < 64: // the same id at two instances at once
			id := w.newID()
			other := w.pick(d)
			var both sync.WaitGroup
			both.Go(func() { i.accept(ctx, id, "") })
			if other != nil {
				other.accept(ctx, id, "")
			}
			both.Wait()
		case x < 72:
			i.accept(ctx, w.newID(), publishing.Endpoint(fmt.Sprintf("http://e%d/", d.UpTo(10))))
		case x < 74:
			i.accept(ctx, w.newID(), forbidden)
		default:
			i.accept(ctx, w.newID(), "")
		}
	}
}

// read checks that a reading lies between what was acknowledged before and
// what was sent until after (P3).
func (w *world) read(ctx context.Context, i *instance, page counting.Page) {
	a := w.account(page)
	least, _ := a.Bounds()
	got := i.visits.Read(ctx, []counting.Page{page})[0]
	_, most := a.Bounds()
	if got.Err != nil || i.isDead() || w.plan.rollBacks {
		return
	}
	if got.Visits < least || got.Visits > most {
		w.violate("P3: page %s read %d, want %d to %d", page, got.Visits, least, most)
	}
}

// touch lets every instance send something to every node, so that a node that
// was rolled back last is repaired.
func (w *world) touch(ctx context.Context) {
	for _, i := range w.instances {
		touched := make(map[int]bool)
		for n := 0; len(touched) < servers; n++ {
			page := counting.Page(fmt.Sprintf("touch/%d", n))
			if owner := w.ring.Owner(w.ring.Arc(page)); !touched[owner] {
				touched[owner] = true
				i.count(ctx, page, 1)
			}
		}
	}
}

// end stops every instance cleanly.
func (w *world) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, i := range w.instances {
		if err := i.stop(ctx); err != nil {
			w.violate("P10: %s did not stop: %v", i.name, err)
		}
	}
	close(w.over)
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

var _ cluster.Node = (*server)(nil)
