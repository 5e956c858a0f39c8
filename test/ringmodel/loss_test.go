package ringmodel_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// bereft is a storm in which nodes are permanently lost, and abandoned: those that join,
// while arcs are on their way to them, and others, while arcs of all nodes are.
func bereft() plan {
	p := storm()
	p.operators, p.aborted, p.losses = 1, *abortedFlag/4, true
	return p
}

const (
	nodeLost chaos.Fault = "node_lost"
	// nodeIsolated: with the instances, before it is lost.
	nodeIsolated chaos.Fault = "node_that_is_lost_isolated_before"
	windowLost   chaos.Fault = "window_lost"
	pageKept     chaos.Fault = "page_that_had_not_left_a_source"
	pageLost     chaos.Fault = "page_that_had_left_it"
	pageArrived  chaos.Fault = "page_that_had_left_a_lost_node"
	pageLate     chaos.Fault = "page_that_had_not_left_it"
	movesGoOn    chaos.Fault = "node_abandoned_while_arcs_of_others_move"
)

// V13, P3, P4: what had not left for a node that is abandoned counts on, no more and no
// less, and the pages of others never notice.
func TestWhatHadNotLeftForANodeThatIsAbandonedCountsOn(t *testing.T) {
	runMany(t, bereft, []chaos.Fault{nodeLost, nodeIsolated, windowLost, pageKept, pageLost, pageArrived, pageLate, movesGoOn, chaos.LostRequest, chaos.LostReply, chaos.Duplicated, chaos.InstanceCrashed, chaos.NodeDown})
}

// losses are what is known of nodes that were lost, beside what they did.
type losses struct {
	lost   map[counting.Page]int64           // visits that are permanently lost
	came   map[stint]map[counting.Page]int64 // visits that came to a node by a table
	left   map[departure]bool                // arcs that were retired at a node
	behind map[counting.Page]behind          // pages that may not have left
	// arrived are pages that were imported by a table, and awaited those that may have
	// been, from a node that is lost.
	arrived map[stint]map[counting.Page]bool
	awaited map[counting.Page][]stint
	// known are windows that were published or marked as lost last when so many nodes were
	// lost, marked those that were marked.
	known  map[string]int
	marked map[string]bool
}

type stint struct {
	node  counting.NodeID
	table counting.Epoch
}

type departure struct {
	stint
	arc counting.Arc
}

// behind is a page of which the source has the rest, unless its arc has left. It could
// leave by several tables, the newest first.
type behind struct {
	from []stint
	arc  counting.Arc
	gone int64 // with the node that is lost
}

func newLosses() losses {
	return losses{
		lost: make(map[counting.Page]int64), came: make(map[stint]map[counting.Page]int64),
		left: make(map[departure]bool), behind: make(map[counting.Page]behind),
		arrived: make(map[stint]map[counting.Page]bool), awaited: make(map[counting.Page][]stint),
		known: make(map[string]int), marked: make(map[string]bool),
	}
}

// stint is the time of the table that the node has opened.
func (s *server) stint(ctx context.Context) stint {
	st, err := s.far.RingState(ctx)
	if err != nil || st.Opened == nil {
		return stint{node: s.ID()}
	}
	return stint{s.ID(), st.Opened.Table()}
}

// noteCame writes down what a batch has added while a table was open.
func (w *world) noteCame(at stint, b *counting.Batch, refused map[int]bool) {
	w.truth.Lock()
	defer w.truth.Unlock()
	if w.losses.came[at] == nil {
		w.losses.came[at] = make(map[counting.Page]int64)
	}
	for i, v := range b.Visits {
		if !refused[i] {
			w.losses.came[at][v.Page] += v.Count
		}
	}
}

// noteLeft writes down that an arc was retired.
func (w *world) noteLeft(d departure) {
	w.truth.Lock()
	defer w.truth.Unlock()
	w.losses.left[d] = true
}

// noteMarked writes down that a window was marked as lost.
func (w *world) noteMarked(window counting.Window) {
	w.truth.Lock()
	defer w.truth.Unlock()
	name := counting.WindowLength(windowLength).Name(window)
	w.losses.known[name], w.losses.marked[name] = w.Counted.Count(nodeLost), true
}

// isForgotten tells whether both nodes that knew what became of a window can be lost.
func (w *world) isForgotten(name string) bool {
	return w.Counted.Count(nodeLost)-w.losses.known[name] >= 2
}

// noteImported writes down the pages that an import has marked.
func (w *world) noteImported(at stint, pages []counting.Visit, refused []counting.Refusal) {
	w.truth.Lock()
	defer w.truth.Unlock()
	if w.losses.arrived[at] == nil {
		w.losses.arrived[at] = make(map[counting.Page]bool)
	}
	for i, v := range pages {
		if !slices.ContainsFunc(refused, func(r counting.Refusal) bool { return r.Item == i }) {
			w.losses.arrived[at][v.Page] = true
		}
	}
}

// lose takes a node away permanently, some time after the change that admitted it, or
// another one, and abandons it.
func (w *world) lose(d *chaos.Dice, ring *sharding.Ring, s *server) {
	w.Rest(w.span(d.Between(0, 4*time.Second)))
	if ring.IsJoining(s.ID()) && d.Chance(0.5) {
		w.isolate(d, s)
	}
	s.mu.Lock()
	s.gone.Store(true) // not even what has reached it counts from now on
	s.buried.Store(true)
	s.setDown(true)
	w.mourn(ring, s)
	s.mu.Unlock()
	w.Counted.Add(nodeLost)
	for begin := time.Now(); ; time.Sleep(w.span(500 * time.Millisecond)) {
		i := w.Pick(d)
		if i == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(i.ctx, 5*time.Second)
		_, err := i.ring.Abandon(ctx, false, s.ID())
		cancel()
		made := func(l sharding.Loss) bool { return l.Node == s.ID() && l.Epoch > ring.Epoch() } // though no call may have returned it
		if v := i.cluster.View(); slices.ContainsFunc(v.Losses(), made) {
			if v.IDTables()[0].Continues {
				w.Counted.Add(movesGoOn)
			}
			return
		}
		if time.Since(begin) > 5*time.Minute {
			w.Violate("P4: %s can't be abandoned: %v", s.ID(), err)
			return
		}
	}
}

// isolate cuts all instances off from all nodes but one, for some windows of which the
// others then know nothing.
func (w *world) isolate(d *chaos.Dice, only *server) {
	until := time.Now().Add(d.Between(2*windowLength, 4*windowLength))
	for _, i := range w.Instances() {
		if i == nil {
			continue
		}
		i.links.Range(func(id, l any) bool {
			if id != only.ID() {
				l.(*link).cut.Store(until.UnixNano())
			}
			return true
		})
	}
	w.Counted.Add(nodeIsolated)
	w.Rest(time.Until(until))
}

// mourn writes down what is lost with a node: all that its pages had, unless it
// turns out that a source has it still, or that it has arrived elsewhere.
func (w *world) mourn(ring *sharding.Ring, s *server) {
	w.truth.Lock()
	defer w.truth.Unlock()
	l := &w.losses
	for _, page := range w.pages {
		arc := ring.Arc(page)
		source, owner := ring.Members()[ring.From(arc)].ID, ring.Members()[ring.Owner(arc)].ID
		switch {
		case owner == s.ID():
			l.behind[page] = behind{stintsOf(ring, arc, source), arc, l.lost[page] + l.cameBy(stintsOf(ring, arc, owner), page)}
			l.lost[page] = w.applied[page]
		case source == s.ID():
			l.awaited[page] = stintsOf(ring, arc, owner)
		}
	}
}

// stintsOf are the times of a node in which an arc has moved as it does, newest first.
func stintsOf(ring *sharding.Ring, arc counting.Arc, node counting.NodeID) (all []stint) {
	tables := ring.IDTables()
	for i, t := range tables {
		all = append(all, stint{node, t.Epoch})
		if !t.Continues || i+1 == len(tables) || tables[i+1].Owner(arc) != t.Owner(arc) {
			break
		}
	}
	return all
}

func (l *losses) cameBy(stints []stint, page counting.Page) (n int64) {
	for _, at := range stints {
		n += l.came[at][page]
	}
	return n
}

// retained writes down what a node has still, or has now, that opens the ring after a
// table.
func (w *world) retained(at stint) {
	w.truth.Lock()
	defer w.truth.Unlock()
	l := &w.losses
	for page, b := range l.behind {
		if b.from[0] != at {
			continue
		}
		delete(l.behind, page)
		if slices.ContainsFunc(b.from, func(from stint) bool { return l.left[departure{from, b.arc}] }) {
			w.Counted.Add(pageLost)
			continue
		}
		w.Counted.Add(pageKept)
		l.lost[page] = b.gone
	}
	for page, to := range l.awaited {
		if to[0] != at {
			continue
		}
		delete(l.awaited, page)
		if slices.ContainsFunc(to, func(to stint) bool { return l.arrived[to][page] }) {
			w.Counted.Add(pageArrived)
			continue
		}
		w.Counted.Add(pageLate)
		l.lost[page] = w.applied[page] - l.cameBy(to, page)
	}
}

// lostOf is what is lost of a page.
func (w *world) lostOf(page counting.Page) int64 {
	w.truth.Lock()
	defer w.truth.Unlock()
	return w.losses.lost[page]
}

// wasteful forgets what was claimed for a node that is lost.
type wasteful struct{ chaos.Node }

func (n wasteful) Open(ctx context.Context, r *sharding.Ring) error {
	if s, err := n.RingState(ctx); err == nil && s.Opened != nil {
		for _, arc := range r.ReclaimedArcs(n.ID()) {
			if all, err := n.ReadParts(ctx, counting.Expected{Epoch: s.Fenced.Epoch()}, []counting.Located{{Arc: arc}}); err == nil && all[0].Stage == counting.Live {
				continue
			}
			if c, err := n.ClaimArcs(ctx, s.Opened.Table(), []counting.Arc{arc}); err == nil {
				_ = n.RetireArc(ctx, s.Opened.Table(), arc, c[0].Pages)
			}
		}
	}
	return n.Node.Open(ctx, r)
}

// hoarder keeps copies of what has left, and has them when it comes back.
type hoarder struct {
	chaos.Node
	mu     sync.Mutex
	copies map[counting.Arc][]counting.Visit
	seq    int64
}

func (n *hoarder) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	var some []counting.Visit
	for cursor, more := "", true; more; more = cursor != "" {
		var c counting.Chunk
		c, cursor, _ = n.Fetch(ctx, table, arc, cursor)
		some = append(some, c.Pages...)
	}
	err := n.Node.RetireArc(ctx, table, arc, pages)
	if err == nil && len(some) > 0 {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.copies == nil {
			n.copies = make(map[counting.Arc][]counting.Visit)
		}
		n.copies[arc] = some
	}
	return err
}

func (n *hoarder) Open(ctx context.Context, r *sharding.Ring) error {
	err := n.Node.Open(ctx, r)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, arc := range r.ReclaimedArcs(n.ID()) {
		if err == nil && len(n.copies[arc]) > 0 {
			n.seq++
			_, _ = n.Apply(ctx, &counting.Batch{Epoch: r.Epoch(), Session: "hoarder", Seq: n.seq, Visits: n.copies[arc]})
			delete(n.copies, arc)
		}
	}
	return err
}
