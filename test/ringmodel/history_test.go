package ringmodel_test

import (
	"context"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

const (
	// historySkew is the greatest skew, nodeOff how far the clock of a node is off at most, and diarySkew
	// is a bit more.
	historySkew, nodeOff, diarySkew = 10 * time.Second, 2 * time.Second, 3 * time.Second
	clerks                          = 2
)

// chronicle is storm over days, with histories.
func chronicle() plan {
	p := storm()
	p.history, p.clients, p.changes, p.aborted = true, 6, *changesFlag/4, *abortedFlag/8
	return p
}

// oblivion is amnesia over hours, with histories, and dusk is blackout.
func oblivion() plan { return overHours(amnesia()) }
func dusk() plan     { return overHours(blackout()) }

func overHours(p plan) plan {
	p.history, p.clients, p.changes, p.aborted = true, 6, *changesFlag/4, *abortedFlag/16
	return p
}

// The faults, and the consequences that show that a corner was reached.
const (
	allLeapt           chaos.Fault = "all_clocks_leapt"
	nodeLeapt          chaos.Fault = "clock_of_a_node_leapt"
	daysAhead          chaos.Fault = "clock_is_days_ahead"
	instanceLeapt      chaos.Fault = "clock_of_an_instance_leapt"
	compactInterrupted chaos.Fault = "compaction_interrupted"
	compactRepeated    chaos.Fault = "compaction_repeated"
	historyDropped     chaos.Fault = "history_dropped"
	historyMoved       chaos.Fault = "history_moved"
	historyJoined      chaos.Fault = "history_read_at_two_nodes"
	daySummed          chaos.Fault = "buckets_added_up_to_a_day"
	notPlaced          chaos.Fault = "visits_not_placed"
	ringSwept          chaos.Fault = "ring_repaired_and_swept"
	pageSet            chaos.Fault = "page_set"
	placedByBatch      chaos.Fault = "repetition_placed_by_its_time"
)

func historySetting() counting.HistorySetting {
	h, err := counting.ParseHistory("15m:2d,1d:3d")
	if err != nil {
		panic(err)
	}
	return h
}

// now is the time by clocks that are right: all of them may have leapt together.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.leap.Load())) }

// chronicles has the world keep histories.
func (w *world) chronicles() {
	if w.plan.history {
		w.began = time.Now().UTC().Truncate(time.Second)
		w.Diary = &chaos.Diary{Now: w.now, Skew: diarySkew, Patience: historySkew - nodeOff - diarySkew}
		w.placed = &chaos.Diary{Now: w.now}
	}
}

// keepHistory has a node that belongs to a ring begin its history with that of the world.
func (w *world) keepHistory(n machine) {
	if !w.plan.history {
		return
	}
	trusted := counting.Clock{Now: w.now(), MaxSkew: 1 << 62}
	if _, err := n.KeepHistory(context.Background(), historySetting(), w.began, false, trusted); err != nil {
		w.Violate("P11: %s does not begin its history: %v", n.ID(), err)
	}
}

// ahead is how much later it is for the instance than in its process.
func (l *link) ahead() time.Duration {
	return time.Duration(l.instance.world.leap.Load() + l.instance.leap.Load())
}

// clock is what the instance's clock shows.
func (l *link) clock(c counting.Clock) counting.Clock {
	c.Now = c.Now.Add(l.ahead())
	return c
}

func (l *link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b
	sent.Clock = l.clock(b.Clock)
	return l.Link.Apply(ctx, &sent)
}

func (l *link) Heartbeat(ctx context.Context, c counting.Clock) (counting.HeartbeatResult, error) {
	r, err := l.Link.Heartbeat(ctx, l.clock(c))
	r.Now = r.Now.Add(-l.ahead())
	return r, err
}

func (l *link) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	return l.Link.Seal(ctx, w, grace, l.clock(c))
}

// placedAt is when a batch is placed that a node applies now, zero if it is not.
func (s *server) placedAt(b *counting.Batch) time.Time {
	if !s.world.plan.history {
		return time.Time{}
	}
	now := s.far.(*memoryMachine).now()
	if !b.At.IsZero() {
		s.world.Counted.Add(placedByBatch)
		return b.At // rollbacks alone make repetitions, and then it isn't noted
	}
	if b.Clock.Check(now) != nil {
		s.world.Counted.Add(notPlaced)
		return time.Time{}
	}
	return now
}

// readHistory checks that a history is an error, or what is known (P11).
func (i *instance) readHistory(ctx context.Context, page counting.Page) {
	w := i.world
	before := w.Diary.Of(page)
	if i.Forgetting {
		before = nil
	}
	h, err := i.history(ctx, page)
	switch {
	case i.IsDead():
		return
	case err != nil || h.Err != nil:
		i.Counted.Add(chaos.ReadFailed)
		return
	}
	if wrong := chaos.Compare(h, before, w.Diary.Of(page), w.now().Add(nodeOff)); wrong != "" {
		w.Violate("P11: the history of page %s, read by %s: %s", page, i.Name, wrong)
	}
}

func (i *instance) history(ctx context.Context, page counting.Page) (counting.PageHistory, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	v := i.cluster.View()
	at, e := counting.Located{Arc: v.Arc(page), Page: page}, counting.Expected{Epoch: v.Epoch()}
	owner, source := v.Nodes[v.Owner(at.Arc)], v.Source(at.Arc)
	if source == nil {
		return owner.Node.(counting.Histories).ReadHistory(ctx, e, at)
	}
	there, err := source.Node.(counting.Histories).ReadHistory(ctx, e, at)
	if err != nil {
		return there, err
	}
	here, err := owner.Node.(counting.Histories).ReadHistory(ctx, e, at)
	i.Counted.Add(historyJoined)
	return counting.JoinHistory(there, here), err
}

// checkHistory compares the buckets of a page with what its callers and its nodes know.
func (w *world) checkHistory(ctx context.Context, page counting.Page, exact bool) {
	v := w.Instances()[0].cluster.View()
	at := counting.Located{Arc: v.Arc(page), Page: page}
	owner := w.serverOf(v.Members()[v.Owner(at.Arc)].ID)
	h, err := owner.Far.(counting.Histories).ReadHistory(ctx, counting.Expected{Epoch: v.Epoch()}, at)
	if err == nil {
		err = h.Err
	}
	if err != nil {
		w.Violate("P11: the history of page %s can't be read: %v", page, err)
		return
	}
	buckets, _ := h.Buckets()
	for _, b := range buckets {
		if b.Unit.Length() == 24*time.Hour {
			w.Counted.Add(daySummed)
		}
	}
	books := []*chaos.Diary{w.Diary}
	if exact {
		books = append(books, w.placed)
	}
	for _, d := range books {
		known := d.Of(page)
		if wrong := chaos.Compare(h, known, known, w.now().Add(nodeOff)); wrong != "" {
			w.Violate("P11: the history of page %s: %s", page, wrong)
		}
	}
}
