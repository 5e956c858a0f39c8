package model_test

import (
	"context"
	"fmt"
	"time"

	"footfall/test/chaos"
)

// unleash begins what the plan says that goes wrong.
func (w *world) unleash(ctx context.Context) {
	if w.plan.real {
		w.unleashReal(ctx)
		return
	}
	if w.plan.crashes {
		w.every(12*time.Second, "crash", w.crashOne)
		w.every(25*time.Second, "freeze", w.freezeOne)
		w.Faults.Go(func() { w.emptyAndAlone(chaos.NewDice(w.Seed, "alone")) })
	}
	if w.plan.outages {
		w.every(20*time.Second, "down", w.takeDown)
		w.every(20*time.Second, "stall", w.stall)
	}
	if w.plan.clocks {
		w.every(3*time.Second, "clock", w.stepClock)
	}
	if w.plan.leaps {
		w.every(8*time.Second, "leap", w.leapOne)
	}
	if w.plan.rollBacks {
		w.every(4*time.Second, "rollback", w.rollBackOne)
	}
}

// every lets something happen at random times, so that each happens soon.
func (w *world) every(mean time.Duration, part string, happen func(*chaos.Dice)) {
	w.Every(part, func(d *chaos.Dice) time.Duration { return d.Between(0, 2*mean) }, happen)
}

// memoryServer is any server of a world in memory.
func (w *world) memoryServer(d *chaos.Dice) *memoryServer {
	return w.servers[d.UpTo(len(w.servers))].(*memoryServer)
}

func (w *world) crashOne(d *chaos.Dice) { w.crash(w.Pick(d), d) }

// crash kills an instance, unless it is dead, and starts another in its slot after most
// of a window.
func (w *world) crash(i *instance, d *chaos.Dice) bool {
	slot, alive := w.Kill(i)
	if alive {
		time.Sleep(d.Between(0, w.plan.window*4/5))
		w.Revive(slot)
	}
	return alive
}

// freezeOne stops an instance for longer than a lease lasts.
func (w *world) freezeOne(d *chaos.Dice) {
	if i := w.Pick(d); i != nil {
		w.freeze(i, d.Between(time.Second, 22*time.Second))
	}
}

func (w *world) freeze(i *instance, d time.Duration) {
	w.Counted.Add(chaos.InstanceFrozen)
	i.Frozen.Close()
	time.Sleep(d)
	i.Frozen.Open()
}

func (w *world) freezeBeyondLease(i *instance, d *chaos.Dice) {
	w.Counted.Add(frozenBeyondLease)
	w.freeze(i, d.Between(16*time.Second, 22*time.Second))
}

// trip lets an instance crash, or freeze for longer than a lease, where it is.
func (w *world) trip(i *instance, where string, d *chaos.Dice) {
	w.BeforeCalm(func() {
		if i.IsDead() {
			return
		}
		i.Frozen.Close() // before the next step is taken
		if w.plan.freezes && d.Chance(0.4) {
			w.Faults.Go(func() { w.freezeBeyondLease(i, d) })
			return
		}
		w.Faults.Go(func() {
			if w.crash(i, d) {
				w.Counted.Add(chaos.CrashAt(where))
			}
		})
	})
}

// emptyAndAlone has stretches of their own: one in which no client sends an id,
// and two in which no instance lives, from about the end of a window on.
func (w *world) emptyAndAlone(d *chaos.Dice) {
	time.Sleep(w.plan.lasts / 4)
	w.quiet.Store(true)
	time.Sleep(w.plan.lasts / 6)
	w.quiet.Store(false)
	time.Sleep(w.plan.lasts / 6)
	for _, away := range []time.Duration{w.plan.window / 2, d.Between(w.plan.window, 3*w.plan.window)} {
		end := w.length.End(w.length.At(time.Now()))
		time.Sleep(time.Until(end.Add(d.Between(-20*time.Millisecond, w.plan.grace+100*time.Millisecond))))
		for _, i := range w.Instances() {
			w.Kill(i)
		}
		if w.Pick(d) == nil {
			w.Counted.Add(noneAlive)
		}
		time.Sleep(away)
		for slot := range w.plan.instances {
			w.Revive(slot)
		}
	}
}

func (w *world) takeDown(d *chaos.Dice) {
	s := w.memoryServer(d)
	w.Counted.Add(chaos.NodeDown)
	s.setDown(true, d.Chance(0.5))
	time.Sleep(d.Between(100*time.Millisecond, 6*time.Second))
	s.setDown(false, false)
}

// stall freezes a node; what was sent meanwhile lands when it goes on.
func (w *world) stall(d *chaos.Dice) {
	s := w.memoryServer(d)
	w.Counted.Add(nodeFrozen)
	s.frozen.Close()
	time.Sleep(d.Between(100*time.Millisecond, 4*time.Second))
	s.frozen.Open()
}

func (w *world) stepClock(d *chaos.Dice) {
	s := w.memoryServer(d)
	if s.clock.step(s.off+d.Between(-4*time.Second, 4*time.Second)) < 0 {
		w.Counted.Add(clockBack)
	} else {
		w.Counted.Add(clockForward)
	}
}

// leapOne lets a clock leap, or all clocks together, and return after a while.
func (w *world) leapOne(d *chaos.Dice) {
	by := d.Between(30*time.Second, time.Hour)
	if d.Chance(0.5) {
		by = -by
	}
	lasts := d.Between(2*time.Second, 15*time.Second)
	switch d.UpTo(3) {
	case 0:
		s := w.memoryServer(d)
		w.Counted.Add(nodeLeapt)
		s.clock.step(s.off + by)
		time.Sleep(lasts)
		s.clock.step(s.off)
	case 1:
		if i := w.Pick(d); i != nil {
			w.Counted.Add(instanceLeapt)
			i.leap.Store(int64(by))
			time.Sleep(lasts)
			i.leap.Store(0)
		}
	default:
		w.Counted.Add(allLeapt)
		w.leap.Store(int64(by))
		time.Sleep(lasts)
		w.leap.Store(0)
	}
}

// rollBackOne takes a node back to what it was some 100 ms before.
func (w *world) rollBackOne(d *chaos.Dice) {
	s := w.memoryServer(d)
	before := s.snapshot()
	time.Sleep(d.Between(50*time.Millisecond, 400*time.Millisecond))
	s.rollBack(before)
	w.Counted.Add(chaos.NodeRolledBack)
}

// mend ends all that goes wrong and starts every instance that is dead.
func (w *world) mend() {
	w.Calm()
	w.Faults.Wait()
	for slot := range w.plan.instances {
		w.Revive(slot)
	}
	for _, s := range w.servers {
		s.mend()
	}
}

// summary is the books in one line.
func (w *world) summary() string {
	return fmt.Sprintf("%s; windows %d", w.Totals(), len(w.reports))
}
