package ringmodel_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
)

// world is one run: servers, instances, those who call them, and the books.
type world struct {
	plan     plan
	mutant   mutant
	seed     uint64
	counted  *chaos.Tally
	relapses *chaos.Dice
	begun    time.Time
	calmed   chan struct{} // closed when nothing goes wrong any more
	pages    []counting.Page
	books    map[counting.Page]*chaos.Account

	state     sync.Mutex
	calm      bool
	servers   map[counting.NodeID]*server
	instances []*instance
	lives     int
	nextNode  int
	tables    map[counting.Epoch]bool   // that were opened
	opens     map[counting.Epoch]bool   // rings that were
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
	losses     losses
	sent       map[batchName]*counting.Batch // to real nodes

	chaos, load, travels sync.WaitGroup
}

func newWorld(seed uint64, p plan, m mutant) *world {
	w := &world{
		plan: p, mutant: m, seed: seed, counted: chaos.NewTally(), begun: time.Now(), relapses: chaos.NewDice(seed, "relapse"), calmed: make(chan struct{}),
		books: make(map[counting.Page]*chaos.Account), servers: make(map[counting.NodeID]*server),
		instances: make([]*instance, p.instances), tables: make(map[counting.Epoch]bool),
		opens: make(map[counting.Epoch]bool), decided: make(map[counting.Epoch]string), made: map[string]bool{"first": true},
		sent: make(map[batchName]*counting.Batch), losses: newLosses(),
		applied: make(map[counting.Page]int64), keys: make(map[counting.LocatedKey]bool), reports: make(map[string]int64),
		ids: make(map[string]map[counting.ID]struct{}),
	}
	var members []sharding.Member
	for range stayers {
		s := w.newServer()
		members = append(members, sharding.Member{ID: s.ID(), Addr: s.Addr(), Weight: p.heavy})
	}
	ring, err := sharding.New("ringmodel", seed, counting.WindowLength(windowLength), "first", members)
	if err != nil {
		panic(err)
	}
	for _, s := range w.servers {
		if _, err := s.far.Fence(context.Background(), ring); err != nil {
			panic(err)
		}
		if err := s.far.Open(context.Background(), ring); err != nil {
			panic(err)
		}
		s.far.keep()
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
	if w.plan.audits {
		w.load.Go(func() { w.audit(chaos.NewDice(w.seed, "audit")) })
	}
	patience := w.plan.longest
	if w.mutant.name != "" {
		patience = w.plan.hunt
	}
	for begin := time.Now(); time.Since(begin) < patience && !w.enough(); {
		time.Sleep(w.span(time.Second))
	}
	if w.mutant.name == "" && !w.isBroken() && !w.saw(cmp.Or(w.plan.least, w.plan.changes), cmp.Or(w.plan.least, w.plan.aborted)) {
		w.violate("in %v too little happened: %s; missing %v", patience, w.summary(), w.counted.Missing(w.plan.wanted))
	}
	w.mend()
	if w.plan.real && w.isBroken() { // then nothing need come to its end
		w.abandon()
		return
	}
	w.load.Wait()
	w.resolve(ctx)
	if w.plan.real && w.isBroken() {
		w.abandon()
		return
	}
	w.end(ctx)
	w.check(ctx)
	if !w.plan.real {
		time.Sleep(time.Hour) // what is still on its way lands
	}
}

// enough tells whether the run may end.
func (w *world) enough() bool {
	if (w.mutant.name != "" || w.plan.real) && w.isBroken() {
		return true
	}
	return w.saw(w.plan.changes, w.plan.aborted)
}

// saw tells whether as many changes were made, and as many moves interrupted, and all
// faults came that were wanted.
func (w *world) saw(changes, aborted int) bool {
	w.state.Lock()
	made := len(w.tables)
	w.state.Unlock()
	return made >= changes && w.counted.Of(moveInterrupted) >= aborted && len(w.counted.Missing(w.plan.wanted)) == 0
}

// isBroken tells whether a promise was seen broken.
func (w *world) isBroken() bool {
	w.truth.Lock()
	defer w.truth.Unlock()
	return len(w.violations) > 0
}

// span is a time in which nothing is waited for but time. On a busy machine faults
// come more rarely, or nothing would be finished between two of them.
func (w *world) span(d time.Duration) time.Duration {
	haste := int64(max(1, w.plan.haste))
	if elapsed := time.Since(w.begun); w.plan.real && *lastsFlag == 0 && elapsed > busy {
		haste = max(1, haste*busy.Nanoseconds()/elapsed.Nanoseconds())
	}
	return d / time.Duration(haste)
}

// rest waits, and tells whether the world isn't calm yet.
func (w *world) rest(d time.Duration) bool {
	select {
	case <-time.After(d):
		return !w.isCalm()
	case <-w.calmed:
		return false
	}
}

// all are the servers that there ever were, by their ids.
func (w *world) all() []*server {
	w.state.Lock()
	defer w.state.Unlock()
	all := slices.Collect(maps.Values(w.servers))
	slices.SortFunc(all, func(a, b *server) int { return cmp.Compare(a.ID(), b.ID()) })
	return all
}

func (w *world) serverAt(addr string) *server {
	all := w.all()
	return all[slices.IndexFunc(all, func(s *server) bool { return s.Addr() == addr })]
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
	i := alive[d.UpTo(len(alive))]
	if w.plan.real && i.frozen.isClosed() && d.Chance(0.99) {
		i = alive[d.UpTo(len(alive))] // or all callers would soon wait for it
	}
	return i
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
		case x < 8 && !w.plan.losses:
			w.recordOnce(d, page)
		case x < 11 && !w.plan.losses:
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
	return fmt.Sprintf("%d changes, %d moves interrupted; visits %d acknowledged, %d unknown, %d refused; %d ids, %d windows; %d batches reported as lost",
		len(w.tables), w.counted.Of(moveInterrupted), acked, doubt, denied, w.nextID, len(w.reports), w.lost)
}

// noteIDs writes down the ids that a batch has added to a window.
func (w *world) noteIDs(b *counting.Batch, refused map[int]bool, window counting.Window) {
	w.truth.Lock()
	defer w.truth.Unlock()
	name := counting.WindowLength(windowLength).Name(window)
	for i, a := range b.IDEvents {
		if !refused[len(b.Visits)+i] {
			if w.ids[name] == nil {
				w.ids[name] = make(map[counting.ID]struct{})
			}
			w.ids[name][a.ID] = struct{}{}
		}
	}
}
