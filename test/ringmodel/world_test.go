package ringmodel_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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
	*chaos.Run[*instance]
	plan     plan
	mutant   mutant
	relapses *chaos.Dice
	pages    []counting.Page
	first    *sharding.Ring

	leap   atomic.Int64 // of all clocks together
	began  time.Time    // the history
	placed *chaos.Diary // when nodes have placed visits

	stopped time.Time // when the instances were stopped in the end

	state    sync.Mutex
	servers  map[counting.NodeID]*server
	nextNode int
	tables   map[counting.Epoch]bool   // that were opened
	opens    map[counting.Epoch]bool   // rings that were
	decided  map[counting.Epoch]string // the change that follows a ring
	made     map[string]bool           // changes that were opened

	truth    sync.Mutex
	applied  map[counting.Page]int64
	keys     map[counting.LocatedKey]bool
	reports  map[string]int64
	ids      map[string]map[counting.ID]bool // by window
	lost     int64
	losses   losses
	sent     map[batchName]*counting.Batch // to real nodes
	setPages []counting.Page               // that were set and deleted
}

func newWorld(seed uint64, p plan, m mutant) *world {
	w := &world{
		Run: chaos.NewRun[*instance](seed, p.instances), plan: p, mutant: m, relapses: chaos.NewDice(seed, "relapse"),
		servers: make(map[counting.NodeID]*server), tables: make(map[counting.Epoch]bool),
		opens: make(map[counting.Epoch]bool), decided: make(map[counting.Epoch]string), made: map[string]bool{"first": true},
		sent: make(map[batchName]*counting.Batch), losses: newLosses(),
		applied: make(map[counting.Page]int64), keys: make(map[counting.LocatedKey]bool), reports: make(map[string]int64),
		ids: make(map[string]map[counting.ID]bool),
	}
	w.Start, w.Wary = w.start, p.real
	w.chronicles()
	var members []sharding.Member
	for range p.nodes() {
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
		w.keepHistory(s.far)
		s.far.keep()
	}
	w.first = ring
	for i := 0; len(w.pages) < pageCount; i++ {
		page := counting.Page(fmt.Sprint("page/", i))
		if ring.Arc(page) < lowArcs {
			w.pages = append(w.pages, page)
		}
	}
	return w
}

// lowPage is a page that begins with a name, in one of the arcs that move.
func (w *world) lowPage(name string) counting.Page {
	for i := 0; ; i++ {
		if page := counting.Page(fmt.Sprint(name, i)); w.first.Arc(page) < lowArcs {
			return page
		}
	}
}

// maxSkew is the greatest skew; 0 is the default one.
func (w *world) maxSkew() time.Duration {
	if w.plan.history {
		return historySkew
	}
	return 0
}

// run lets the world go on until enough has happened, mends it, and checks
// what is left.
func (w *world) run(ctx context.Context) {
	for slot := range w.plan.instances {
		w.Revive(slot)
	}
	w.plant()
	w.unleash()
	for client := range w.plan.clients {
		w.Load.Go(func() { w.send(chaos.NewDice(w.Seed, fmt.Sprint("client", client))) })
	}
	if w.plan.audits {
		w.Load.Go(func() { w.audit(chaos.NewDice(w.Seed, "audit")) })
	}
	patience := w.plan.longest
	if w.mutant.name != "" {
		patience = w.plan.hunt
	}
	for begin := time.Now(); time.Since(begin) < patience && !w.enough(); {
		time.Sleep(w.span(time.Second))
	}
	if w.mutant.name == "" && !w.isBroken() && !w.saw(cmp.Or(w.plan.least, w.plan.changes), cmp.Or(w.plan.least, w.plan.aborted)) {
		w.Violate("in %v too little happened: %s; missing %v", patience, w.summary(), w.Counted.Missing(w.plan.wanted))
	}
	w.mend()
	if w.plan.real && w.isBroken() { // then nothing need come to its end
		w.abandon()
		return
	}
	w.Load.Wait()
	w.resolve(ctx)
	if w.isBroken() && (w.plan.real || slices.Contains(w.Instances(), nil)) {
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
	return made >= changes && w.Counted.Count(moveInterrupted) >= aborted && len(w.Counted.Missing(w.plan.wanted)) == 0
}

// isBroken tells whether a promise was seen broken.
func (w *world) isBroken() bool { return len(w.Violations()) > 0 }

// span is a time in which nothing is waited for but time. On a busy machine faults
// come more rarely, or nothing would be finished between two of them.
func (w *world) span(d time.Duration) time.Duration {
	haste := int64(max(1, w.plan.haste))
	if elapsed := time.Since(w.Begun); w.plan.real && *lastsFlag == 0 && elapsed > busy {
		haste = max(1, haste*busy.Nanoseconds()/elapsed.Nanoseconds())
	}
	return d / time.Duration(haste)
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

// send makes requests until the world is calm.
func (w *world) send(d *chaos.Dice) {
	for !w.IsCalm() {
		time.Sleep(d.About(30 * time.Millisecond))
		i := w.Pick(d)
		if i == nil {
			continue
		}
		page := w.pages[d.UpTo(len(w.pages))]
		if d.Chance(0.2) {
			page = w.pages[d.UpTo(3)] // hot ones
		}
		switch x := d.UpTo(100); {
		case x < 8 && w.hasKeys():
			w.recordOnce(d, page)
		case x < 11 && w.hasKeys():
			w.recordOnce(d, page, w.pages[d.UpTo(len(w.pages))])
		case x < 45:
			i.record(page, int64(1+d.UpTo(3)))
		case x < 75:
			i.read(page)
		case x < 80:
			i.read(page, w.pages[d.UpTo(len(w.pages))], w.pages[d.UpTo(len(w.pages))])
		case w.plan.history:
			if d.Chance(0.3) {
				i.readHistory(context.Background(), page)
			}
		default: // the same id at two instances
			id := w.NewID()
			var both sync.WaitGroup
			both.Go(func() { i.accept(id) })
			if other := w.Pick(d); other != nil {
				other.accept(id)
			}
			both.Wait()
		}
	}
}

// recordOnce sends a request with a key again and again, while the ring changes.
func (w *world) recordOnce(d *chaos.Dice, pages ...counting.Page) {
	n := int64(1 + d.UpTo(3))
	visits := make([]counting.Visit, len(pages))
	for k, page := range pages {
		visits[k] = counting.Visit{Page: page, Count: n}
	}
	caller := func(d *chaos.Dice) *chaos.Caller {
		if i := w.Pick(d); i != nil {
			return i.Caller
		}
		return nil
	}
	pause := w.span(6 * time.Second)
	if w.plan.history { // no key is kept for longer than a day
		pause /= 6
	}
	w.CountOnce(context.Background(), d, caller, 2+d.UpTo(5), pause, visits...)
}

// summary is the books in one line.
func (w *world) summary() string {
	return fmt.Sprintf("%d changes, %d moves interrupted; %s; windows %d; %d batches reported as lost",
		len(w.tables), w.Counted.Count(moveInterrupted), w.Totals(), len(w.reports), w.lost)
}

// noteIDs writes down the ids that a batch has added to a window.
func (w *world) noteIDs(b *counting.Batch, refused map[int]bool, window counting.Window) {
	ids := make(map[counting.ID]bool)
	for i, a := range b.IDEvents {
		if !refused[len(b.Visits)+i] {
			ids[a.ID] = true
		}
	}
	if len(ids) > 0 {
		w.noteArrived(window, ids)
	}
}

// noteArrived writes down the ids that a node has taken for a window.
func (w *world) noteArrived(window counting.Window, ids map[counting.ID]bool) {
	w.truth.Lock()
	defer w.truth.Unlock()
	name := counting.WindowLength(windowLength).Name(window)
	if w.ids[name] == nil {
		w.ids[name] = make(map[counting.ID]bool)
	}
	maps.Copy(w.ids[name], ids)
}
