package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// hasKeys tells whether requests have keys.
func (w *world) hasKeys() bool { return !w.plan.losses && (!w.plan.history || w.Seed%2 == 0) }

// unleashHistory begins what goes wrong with clocks and histories.
func (w *world) unleashHistory() {
	w.every(4*time.Second, "leap", w.leapAll)
	w.every(8*time.Second, "leap of a node", w.leapNode)
	w.every(12*time.Second, "leap of an instance", w.leapInstance)
	for i := range 2 { // at once, now and then
		w.every(time.Second, fmt.Sprint("compact", i), w.compact)
	}
	w.every(40*time.Second, "drop history", w.dropHistory)
	w.every(20*time.Second, "repair", w.repair)
	for k := range clerks {
		if !w.plan.rollBacks {
			w.Load.Go(func() { w.setAndDelete(chaos.NewDice(w.Seed, fmt.Sprint("clerk", k)), k) })
		}
	}
}

// leapAll lets hours pass in no time, often up to right before the end of a bucket.
func (w *world) leapAll(d *chaos.Dice) {
	for _, s := range w.all() {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	by := d.Between(5*time.Minute, 100*time.Minute)
	if !w.hasKeys() {
		by *= 4
	}
	if d.Chance(0.4) {
		to := w.now().Add(by).Truncate(15 * time.Minute).Add(15*time.Minute - d.Between(0, 2*time.Second))
		by = to.Sub(w.now())
	}
	w.leap.Add(int64(by))
	w.Counted.Add(allLeapt)
}

// farOff is by how far a clock leaps that is wrong. It is days in runs without keys, which nodes
// keep by their clocks.
func (w *world) farOff(d *chaos.Dice) time.Duration {
	switch by := d.Between(30*time.Second, 3*time.Hour); {
	case !w.hasKeys() && d.Chance(0.3):
		w.Counted.Add(daysAhead)
		return d.Between(time.Hour, 100*time.Hour)
	case d.Chance(0.5):
		return -by
	default:
		return by
	}
}

func (w *world) leapNode(d *chaos.Dice) {
	s := w.anyServer(d)
	m, by := s.far.(*memoryMachine), int64(w.farOff(d))
	defer w.Diary.Trouble()()
	w.Counted.Add(nodeLeapt)
	set := func(by int64) {
		m.Lock()
		defer m.Unlock()
		m.off.Add(by)
	}
	set(by)
	time.Sleep(d.Between(500*time.Millisecond, 4*time.Second))
	set(-by)
}

func (w *world) leapInstance(d *chaos.Dice) {
	if i := w.Pick(d); i != nil {
		defer w.Diary.Trouble()()
		w.Counted.Add(instanceLeapt)
		i.leap.Store(int64(w.farOff(d)))
		time.Sleep(d.Between(500*time.Millisecond, 4*time.Second))
		i.leap.Store(0)
	}
}

// anyLink is a way from an instance to a node.
func (w *world) anyLink(d *chaos.Dice) (l *link) {
	i := w.Pick(d)
	if i == nil {
		return nil
	}
	if n, ok := i.links.Load(w.anyServer(d).ID()); ok {
		l = n.(*link)
	}
	return l
}

// through calls a part of a pass until it has passed; or it ends before, or repeats a part.
func (w *world) through(d *chaos.Dice, pass func(context.Context, *link, counting.Clock, string) (string, error)) {
	l := w.anyLink(d)
	if l == nil {
		return
	}
	for cursor, more := "", true; more; {
		ctx, cancel := context.WithTimeout(l.instance.ctx, 3*time.Second)
		next, err := pass(ctx, l, l.clock(counting.Clock{Now: time.Now(), MaxSkew: historySkew}), cursor)
		cancel()
		switch {
		case err != nil || d.Chance(0.1):
			w.Counted.Add(compactInterrupted)
			return
		case d.Chance(0.2):
			w.Counted.Add(compactRepeated)
		default:
			cursor, more = next, next != ""
		}
	}
}

func (w *world) compact(d *chaos.Dice) {
	w.through(d, func(ctx context.Context, l *link, c counting.Clock, cursor string) (string, error) {
		return l.Compact(ctx, c, cursor)
	})
}

func (w *world) dropHistory(d *chaos.Dice) {
	w.through(d, func(ctx context.Context, l *link, c counting.Clock, cursor string) (string, error) {
		w.Counted.Add(historyDropped)
		return l.DropHistory(ctx, c, cursor)
	})
}

// repair sweeps all nodes, and finishes a change that was interrupted.
func (w *world) repair(d *chaos.Dice) {
	if i := w.Pick(d); i != nil {
		ctx, cancel := context.WithTimeout(i.ctx, 10*time.Second)
		defer cancel()
		if i.ring.Repair(ctx) == nil {
			w.Counted.Add(ringSwept)
		}
	}
}

// setAndDelete counts visits of a page that is set and deleted over and over. When it isn't known
// whether it was, the page is left.
func (w *world) setAndDelete(d *chaos.Dice, clerk int) {
	ctx := context.Background()
	for n := 0; !w.IsCalm(); n++ {
		page := w.lowPage(fmt.Sprintf("set/%d/%d/", clerk, n))
		known := true
		for known && !w.IsCalm() {
			time.Sleep(d.About(200 * time.Millisecond))
			i := w.Pick(d)
			if i == nil {
				continue
			}
			switch x := d.UpTo(100); {
			case x < 60:
				i.record(page, int64(1+d.UpTo(3)))
			case x < 80:
				i.readHistory(ctx, page)
			default:
				err := i.Visits.SetAll(ctx, []counting.SetCount{{Page: page, Count: int64(d.UpTo(5)), Delete: d.Chance(0.3)}})[0]
				known = !i.IsDead() && !errors.Is(err, counting.ErrInDoubt)
				if known && err == nil {
					w.Counted.Add(pageSet)
					w.Diary.Restart(page)
				}
			}
		}
		if known {
			w.truth.Lock()
			w.setPages = append(w.setPages, page)
			w.truth.Unlock()
		}
	}
}
