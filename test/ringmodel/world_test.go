package ringmodel_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

const (
	windowLength = 2 * time.Second
	// changes take and give the arcs with the lowest numbers, so that pages
	// there are moved in nearly every change.
	pageCount, lowArcs = 160, 300
	// stayers are nodes that are never removed; guests come and go.
	stayers, guests = 3, 3
	heavy           = 1000
	// longest is how long a run waits for enough to have happened.
	longest = 2 * time.Hour
)

// rates are the probabilities of what may befall one call.
type rates struct{ loseRequest, loseReply, delay, duplicate float64 }

// plan says what goes wrong in a run.
type plan struct {
	instances, clients, operators int
	// changes and aborted moves after which the run may end.
	changes, aborted            int
	rates                       rates
	crashes, outages, rollBacks bool
	// quarrels are the probabilities of what may befall a step of a change:
	// the instance dies, or stops for a while; the node goes away after it.
	// cut is the time between two cuts of the network, 0 for none.
	quarrels struct {
		kill, stop, away float64
		cut              time.Duration
	}
}

// world is one run: servers, instances, those who call them, and the books.
type world struct {
	plan    plan
	mutant  mutant
	seed    uint64
	counted *chaos.Tally
	over    chan struct{} // closed when the run is
	pages   []counting.Page
	books   map[counting.Page]*chaos.Account

	state     sync.Mutex
	calm      bool
	servers   map[counting.NodeID]*server
	instances []*instance
	lives     int
	nextNode  int
	tables    map[counting.Epoch]bool   // that were opened
	seen      map[counting.Epoch]bool   // rings that were
	decided   map[counting.Epoch]string // the change that follows a ring
	made      map[string]bool           // changes that were opened

	truth      sync.Mutex
	violations []string
	applied    map[counting.Page]int64
	keys       map[counting.LocatedKey]bool
	reports    map[string]int64
	ids        map[string]map[counting.ID]struct{} // by window
	nextID     counting.ID
	lost       int64

	chaos, load sync.WaitGroup
}

func newWorld(seed uint64, p plan, m mutant) *world {
	w := &world{
		plan: p, mutant: m, seed: seed, counted: chaos.NewTally(), over: make(chan struct{}),
		books: make(map[counting.Page]*chaos.Account), servers: make(map[counting.NodeID]*server),
		instances: make([]*instance, p.instances), tables: make(map[counting.Epoch]bool),
		seen: make(map[counting.Epoch]bool), decided: make(map[counting.Epoch]string), made: map[string]bool{"first": true},
		applied: make(map[counting.Page]int64), keys: make(map[counting.LocatedKey]bool), reports: make(map[string]int64),
		ids: make(map[string]map[counting.ID]struct{}),
	}
	var members []sharding.Member
	for range stayers {
		s := w.newServer()
		members = append(members, sharding.Member{ID: s.ID(), Addr: s.Addr(), Weight: heavy})
	}
	ring, err := sharding.New("ringmodel", seed, counting.Length(windowLength), "first", members)
	if err != nil {
		panic(err)
	}
	for _, s := range w.servers {
		if _, err := s.memory.Fence(context.Background(), ring); err != nil {
			panic(err)
		}
		if err := s.memory.Open(context.Background(), ring); err != nil {
			panic(err)
		}
		s.safe = s.memory.Snapshot()
	}
	for i := 0; len(w.pages) < pageCount; i++ {
		page := counting.Page(fmt.Sprint("page/", i))
		if ring.Arc(page) < lowArcs {
			w.pages = append(w.pages, page)
			w.books[page] = &chaos.Account{}
		}
	}
	return w
}

// run lets the world go on until enough has happened, mends it, and checks
// what is left.
func (w *world) run(ctx context.Context) {
	for slot := range w.instances {
		w.revive(slot)
	}
	w.plant()
	w.unleash()
	for client := range w.plan.clients {
		w.load.Go(func() { w.send(chaos.NewDice(w.seed, fmt.Sprint("client", client))) })
	}
	patience := longest
	if w.mutant.name != "" { // many a defect lets the ring change no more
		patience = 15 * time.Minute
	}
	for begin := time.Now(); time.Since(begin) < patience && !w.enough(); {
		time.Sleep(time.Second)
	}
	if w.mutant.name == "" && !w.enough() {
		w.violate("in %v too little happened: %s", longest, w.summary())
	}
	w.mend()
	w.load.Wait()
	w.settle(ctx)
	w.end()
	w.check()
	close(w.over)
	time.Sleep(time.Hour) // what is still on its way lands
}

func (w *world) enough() bool {
	w.state.Lock()
	made := len(w.tables)
	bad := len(w.violations) > 0
	w.state.Unlock()
	return bad && w.mutant.name != "" || made >= w.plan.changes && w.counted.Of(moveBroken) >= w.plan.aborted
}

func (w *world) isCalm() bool {
	w.state.Lock()
	defer w.state.Unlock()
	return w.calm
}

func (w *world) violate(format string, args ...any) {
	w.truth.Lock()
	defer w.truth.Unlock()
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
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

// send makes requests until the world is calm.
func (w *world) send(d *chaos.Dice) {
	for !w.isCalm() {
		time.Sleep(d.About(30 * time.Millisecond))
		i := w.pick(d)
		if i == nil {
			continue
		}
		page := w.pages[d.UpTo(len(w.pages))]
		if d.Chance(0.2) {
			page = w.pages[d.UpTo(3)] // hot ones
		}
		switch x := d.UpTo(100); {
		case x < 8:
			w.recordOnce(d, page)
		case x < 11:
			w.recordOnce(d, page, w.pages[d.UpTo(len(w.pages))])
		case x < 45:
			i.record(page, int64(1+d.UpTo(3)))
		case x < 75:
			i.read(page)
		case x < 80:
			i.read(page, w.pages[d.UpTo(len(w.pages))], w.pages[d.UpTo(len(w.pages))])
		default: // the same id at two instances
			id := w.newID()
			var both sync.WaitGroup
			both.Go(func() { i.accept(id) })
			if other := w.pick(d); other != nil {
				other.accept(id)
			}
			both.Wait()
		}
	}
}

func (w *world) newID() counting.ID {
	w.truth.Lock()
	defer w.truth.Unlock()
	w.nextID++
	return w.nextID
}

// summary is the books in one line.
func (w *world) summary() string {
	var acked, doubt, denied int64
	for _, a := range w.books {
		pageAcked, pageDenied, pageDoubt := a.Totals()
		acked, denied, doubt = acked+pageAcked, denied+pageDenied, doubt+pageDoubt
	}
	return fmt.Sprintf("%d changes, %d moves broken off; visits %d acknowledged, %d unknown, %d refused; %d ids, %d windows; %d batches told as lost",
		len(w.tables), w.counted.Of(moveBroken), acked, doubt, denied, w.nextID, len(w.reports), w.lost)
}
