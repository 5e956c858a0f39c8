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
		w.chaos.Go(func() { w.emptyAndAlone(chaos.NewDice(w.seed, "alone")) })
	}
	if w.plan.outages {
		w.every(20*time.Second, "down", w.takeDown)
		w.every(20*time.Second, "stall", w.stall)
	}
	if w.plan.clocks {
		w.every(3*time.Second, "clock", w.stepClock)
	}
	if w.plan.rollBacks {
		w.every(4*time.Second, "rollback", w.rollBackOne)
	}
}

// every lets something happen at random times until the world is calm.
func (w *world) every(mean time.Duration, part string, happen func(*chaos.Dice)) {
	d := chaos.NewDice(w.seed, part)
	w.chaos.Go(func() {
		for {
			time.Sleep(d.Between(0, 2*mean)) // so that each happens soon
			if w.isCalm() {
				return
			}
			happen(d)
		}
	})
}

// memoryServer is any server of a world in memory.
func (w *world) memoryServer(d *chaos.Dice) *memoryServer {
	return w.servers[d.UpTo(len(w.servers))].(*memoryServer)
}

func (w *world) crashOne(d *chaos.Dice) {
	slot := d.UpTo(len(w.instances))
	if w.kill(slot) {
		w.reviveSoon(slot, d)
	}
}

// reviveSoon starts another instance in a slot, after most of a window.
func (w *world) reviveSoon(slot int, d *chaos.Dice) {
	time.Sleep(d.Between(0, w.plan.window*4/5))
	w.revive(slot)
}

// kill crashes an instance, unless it is dead.
func (w *world) kill(slot int) bool {
	w.state.Lock()
	i := w.instances[slot]
	w.instances[slot] = nil
	w.state.Unlock()
	if i == nil {
		return false
	}
	w.counted.Add(instanceCrashed)
	i.crash()
	return true
}

// revive starts a new instance in a slot that has none.
func (w *world) revive(slot int) {
	for {
		w.state.Lock()
		w.lives[slot]++
		life, taken := w.lives[slot], w.instances[slot] != nil
		w.state.Unlock()
		if taken {
			return
		}
		i, err := w.start(slot, life)
		if err != nil {
			continue // as a supervisor does
		}
		w.state.Lock()
		if w.instances[slot] != nil {
			w.state.Unlock()
			i.crash()
			return
		}
		w.instances[slot] = i
		w.state.Unlock()
		return
	}
}

// freezeOne stops an instance for longer than a lease lasts.
func (w *world) freezeOne(d *chaos.Dice) {
	w.state.Lock()
	i := w.instances[d.UpTo(len(w.instances))]
	w.state.Unlock()
	if i == nil {
		return
	}
	w.freeze(i, d.Between(time.Second, 22*time.Second))
}

func (w *world) freeze(i *instance, d time.Duration) {
	w.counted.Add(instanceFrozen)
	i.frozen.close()
	time.Sleep(d)
	i.frozen.open()
}

func (w *world) freezeBeyondLease(i *instance, d *chaos.Dice) {
	w.counted.Add(frozenBeyondLease)
	w.freeze(i, d.Between(16*time.Second, 22*time.Second))
}

// trip lets an instance crash, or freeze for longer than a lease, where it is.
func (w *world) trip(i *instance, where string, d *chaos.Dice) {
	w.state.Lock()
	defer w.state.Unlock()
	if w.calm || i.isDead() {
		return
	}
	i.frozen.close() // before the next step is taken
	if w.plan.freezes && d.Chance(0.4) {
		w.chaos.Go(func() { w.freezeBeyondLease(i, d) })
		return
	}
	w.chaos.Go(func() {
		if slot := w.slotOf(i); slot >= 0 && w.kill(slot) {
			w.counted.Add(chaos.CrashAt(where))
			w.reviveSoon(slot, d)
		}
	})
}

// emptyAndAlone has stretches of their own: one in which no client sends an id,
// and two in which no instance lives, from about the end of a window on.
func (w *world) emptyAndAlone(d *chaos.Dice) {
	time.Sleep(w.plan.lasts / 4)
	w.setQuiet(true)
	time.Sleep(w.plan.lasts / 6)
	w.setQuiet(false)
	time.Sleep(w.plan.lasts / 6)
	for _, away := range []time.Duration{w.plan.window / 2, d.Between(w.plan.window, 3*w.plan.window)} {
		end := w.length.End(w.length.At(time.Now()))
		time.Sleep(time.Until(end.Add(d.Between(-20*time.Millisecond, w.plan.grace+100*time.Millisecond))))
		for slot := range w.instances {
			w.kill(slot)
		}
		if w.pick(d) == nil {
			w.counted.Add(noneAlive)
		}
		time.Sleep(away)
		for slot := range w.instances {
			w.revive(slot)
		}
	}
}

func (w *world) takeDown(d *chaos.Dice) {
	s := w.memoryServer(d)
	w.counted.Add(nodeDown)
	s.setDown(true, d.Chance(0.5))
	time.Sleep(d.Between(100*time.Millisecond, 6*time.Second))
	s.setDown(false, false)
}

// stall freezes a node; what was sent meanwhile lands when it goes on.
func (w *world) stall(d *chaos.Dice) {
	s := w.memoryServer(d)
	w.counted.Add(nodeFrozen)
	s.frozen.close()
	time.Sleep(d.Between(100*time.Millisecond, 4*time.Second))
	s.frozen.open()
}

func (w *world) stepClock(d *chaos.Dice) {
	s := w.memoryServer(d)
	if s.clock.step(s.off+d.Between(-4*time.Second, 4*time.Second)) < 0 {
		w.counted.Add(clockBack)
	} else {
		w.counted.Add(clockForward)
	}
}

// rollBackOne takes a node back to what it was some 100 ms before.
func (w *world) rollBackOne(d *chaos.Dice) {
	s := w.memoryServer(d)
	before := s.snapshot()
	time.Sleep(d.Between(50*time.Millisecond, 400*time.Millisecond))
	s.rollBack(before)
	w.counted.Add(nodeRolledBack)
}

// mend ends all that goes wrong and starts every instance that is dead.
func (w *world) mend() {
	w.state.Lock()
	w.calm = true
	w.state.Unlock()
	w.chaos.Wait()
	for slot := range w.instances {
		w.revive(slot)
	}
	for _, s := range w.servers {
		s.mend()
	}
}

// summary is the books in one line.
func (w *world) summary() string {
	var acked, doubt, denied int64
	for _, a := range w.pages {
		pageAcked, pageDenied, pageDoubt := a.Totals()
		acked, denied, doubt = acked+pageAcked, denied+pageDenied, doubt+pageDoubt
	}
	return fmt.Sprintf("visits %d acknowledged, %d unknown, %d refused; ids %d; windows %d",
		acked, doubt, denied, len(w.acked), len(w.reports))
}
