package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// plant gives every page something to begin with.
func (w *world) plant() {
	for _, page := range w.pages {
		w.Instances()[0].record(page, 5)
	}
}

// unleash begins what the plan says that goes wrong, and the operators.
func (w *world) unleash() {
	for operator := range w.plan.operators {
		change := w.operate
		if w.plan.real {
			change = w.operateAtOnce
		}
		w.every(w.plan.pause, fmt.Sprint("operator", operator), change)
	}
	if w.plan.crashes {
		w.every(60*time.Second, "crash", func(d *chaos.Dice) {
			if i := w.Pick(d); i != nil {
				w.kill(i)
			}
		})
	}
	switch {
	case w.plan.through > 0:
		w.every(w.plan.sleeps, "sleep", w.sleepThroughChanges)
	case w.plan.sleeps > 0:
		w.every(w.plan.sleeps, "freeze", w.freezeOne)
	}
	if w.plan.outages > 0 {
		w.every(w.plan.outages, "down", w.takeDown)
	}
	if w.plan.history {
		w.unleashHistory()
	}
	if w.plan.roams > 0 {
		w.unleashRoams()
	}
	if w.plan.quarrels.cut > 0 {
		w.every(w.plan.quarrels.cut, "cut", w.cutOne)
	}
	if w.plan.rollBacks {
		w.every(w.plan.keepEvery, "keep", w.keepAll)
		w.every(3*time.Second, "fall back", func(d *chaos.Dice) { w.anyServer(d).fallBack() })
	}
}

// every lets something happen at random times.
func (w *world) every(mean time.Duration, part string, happen func(*chaos.Dice)) {
	w.Every(part, func(d *chaos.Dice) time.Duration { return d.About(w.span(mean)) }, happen)
}

// operate changes the ring by any instance.
func (w *world) operate(d *chaos.Dice) {
	i := w.Pick(d)
	if i == nil {
		return
	}
	v := i.cluster.View()
	var actives, visitors []counting.NodeID
	for _, m := range v.Members() {
		if m.State != sharding.Active {
			continue
		}
		actives = append(actives, m.ID)
		if m.Weight < w.plan.heavy/2 {
			visitors = append(visitors, m.ID)
		}
	}
	ctx, cancel := context.WithTimeout(i.ctx, 5*time.Second)
	defer cancel()
	var err error
	switch x := d.UpTo(100); {
	case w.plan.swings:
		err = i.swing(ctx)
	case x < 50 && (len(visitors) < guests || len(actives)-len(visitors) < stayers):
		s, weight := w.joining(d), 5+d.UpTo(30)
		if len(actives)-len(visitors) < stayers { // one was lost
			weight = w.plan.heavy
		}
		_, err = i.ring.Add(ctx, s.Addr(), weight, false)
		if err == nil && s.emptied.Load() {
			w.Counted.Add(nodeAddedAgain)
		}
		if err == nil && w.plan.losses && d.Chance(0.7) {
			if len(actives)-len(visitors) >= stayers && d.Chance(0.5) {
				s = w.serverOf(actives[1+d.UpTo(len(actives)-1)]) // instances start by the first one
			}
			w.lose(d, i.cluster.View().Ring, s)
		}
	case x < 75 && len(visitors) > 0:
		gone := visitors[d.UpTo(len(visitors))]
		if _, err = i.ring.Remove(ctx, gone, false); err == nil {
			again := !w.plan.real && d.Chance(0.5)
			w.Faults.Go(func() { w.bury(gone, again) })
		}
	default:
		id := actives[d.UpTo(len(actives))]
		weight := w.plan.heavy - 20 + d.UpTo(40)
		if slices.Contains(visitors, id) {
			weight = 5 + d.UpTo(30)
		}
		_, err = i.ring.Reweight(ctx, id, weight, false)
	}
	if err != nil {
		w.Counted.Add(changeRefused)
	}
}

// joining is a node that is in no ring, and may have been about to be.
func (w *world) joining(d *chaos.Dice) *server {
	var spare *server
	for _, s := range w.all() {
		if s.buried.Load() || spare != nil && spare.ID() < s.ID() {
			continue
		}
		st, err := s.far.RingSummary(context.Background())
		if errors.Is(err, counting.ErrUninitialized) || err == nil && st.Opened == 0 {
			spare = s
		}
	}
	if spare != nil && (w.plan.real || d.Chance(0.5)) { // real ones are dear
		return spare
	}
	return w.newServer()
}

// bury shuts a removed node down, once the ring has forgotten it, or empties it,
// so that it may be added again.
func (w *world) bury(id counting.NodeID, again bool) {
	for !w.IsCalm() {
		w.Rest(w.span(10 * time.Second))
		alive, forgotten := false, true
		for _, i := range w.Instances() {
			alive = alive || i != nil
			forgotten = forgotten && (i == nil || i.cluster.View().Index(id) < 0)
		}
		if alive && forgotten {
			if again {
				w.serverOf(id).empty()
				return
			}
			w.serverOf(id).buried.Store(true)
			w.serverOf(id).setDown(true)
			return
		}
	}
}

func (w *world) anyServer(d *chaos.Dice) *server {
	i := w.Pick(d)
	if i == nil {
		return w.serverOf("n0001")
	}
	members := i.cluster.View().Members()
	return w.serverOf(members[d.UpTo(len(members))].ID)
}

func (w *world) takeDown(d *chaos.Dice) {
	s := w.anyServer(d)
	if s.down.Load() {
		return
	}
	w.Counted.Add(chaos.NodeDown)
	s.setDown(true)
	time.Sleep(w.span(d.Between(w.plan.outage/80, w.plan.outage)))
	s.setDown(s.buried.Load())
}

func (w *world) keepAll(*chaos.Dice) {
	for _, s := range w.all() {
		s.mu.Lock()
		s.far.keep()
		s.mu.Unlock()
	}
}

// freezeOne stops an instance for as long as several changes take.
func (w *world) freezeOne(d *chaos.Dice) {
	i := w.Pick(d)
	if i == nil {
		return
	}
	w.Counted.Add(chaos.InstanceFrozen)
	i.Frozen.Close()
	time.Sleep(d.Between(500*time.Millisecond, 25*time.Second))
	i.Frozen.Open()
}

// trip kills an instance in the middle of a step.
func (w *world) trip(i *instance, k kind) {
	switch k {
	case plain, stepOfMove:
		w.Counted.Add(moverKilled)
	case fencing:
		w.Counted.Add(coordinatorKilled)
	case accepting:
		w.Counted.Add(coordinatorKilled)
		w.Counted.Add(killedBeforeOpen)
	case opening:
		w.Counted.Add(coordinatorKilledLate)
	}
	w.kill(i)
}

// kill crashes an instance, and starts another later.
func (w *world) kill(i *instance) {
	w.BeforeCalm(func() {
		slot, alive := w.Kill(i)
		if !alive {
			return
		}
		w.Faults.Go(func() {
			time.Sleep(w.span(chaos.NewDice(w.Seed, i.Name+"again").Between(0, 4*time.Second)))
			w.Revive(slot)
		})
	})
}

// mend ends all that goes wrong.
func (w *world) mend() {
	w.Calm()
	if w.plan.real {
		w.Faults.Wait()
	} else {
		time.Sleep(40 * time.Second) // operators, outages and freezes end
	}
	for _, i := range w.Instances() {
		if i != nil {
			i.Frozen.Open()
		}
	}
}

// resolve waits until every instance follows the newest ring and no arc is left
// to move. It fails when nothing has changed for as long as patience says: a busy
// machine is slow, and a ring that is stuck makes no progress.
func (w *world) resolve(ctx context.Context) {
	patience := w.span(10 * time.Minute)
	if w.plan.real && w.mutant.name != "" {
		patience = 15 * time.Second
	}
	before := ""
	for since := time.Now(); ; time.Sleep(w.span(time.Second)) {
		open := w.unresolved(ctx)
		if open == "" {
			return
		}
		if open != before {
			before, since = open, time.Now()
		}
		if time.Since(since) > patience {
			w.Violate("the ring does not settle: %s", open)
			return
		}
	}
}

// unresolved describes what is left to do, and is empty when nothing is.
func (w *world) unresolved(ctx context.Context) string {
	var open []string
	for _, i := range w.Instances() {
		if i == nil {
			open = append(open, "an instance is dead")
			continue
		}
		st := i.ring.Status(ctx)
		if st.Moves.Left > 0 || st.Fence != st.Epoch || st.Epoch != w.Instances()[0].cluster.View().Epoch() {
			open = append(open, fmt.Sprintf("%s: epoch %d, fence %d, %d arcs left, stuck %v", i.Name, st.Epoch, st.Fence, st.Moves.Left, st.Moves.Stuck))
		}
	}
	return strings.Join(open, "; ")
}

// end stops every instance cleanly: what is in doubt gets resolved, and windows
// are closed before.
func (w *world) end(ctx context.Context) {
	if w.plan.real {
		w.awaitReports(ctx)
	} else {
		time.Sleep(4 * windowLength)
	}
	w.Faults.Wait()
	if w.plan.rollBacks && !w.plan.real { // an idle session asks once an hour whether its node has everything
		for _, i := range w.Instances() {
			i.cancel()
		}
		time.Sleep(65 * time.Minute)
	}
	w.stopped = time.Now()
	for _, i := range w.Instances() {
		if i != nil {
			i.stop(30 * time.Second)
		}
	}
	w.Travels.Wait()
}
