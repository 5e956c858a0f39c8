package ringmodel_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

var lastsFlag = flag.Duration("ringmodel.lasts", 0, "how long a storm on Redis may take; 0 leaves those out that take minutes")

// long is for tests that take minutes.
func long(t *testing.T) {
	t.Helper()
	if *lastsFlag == 0 {
		t.Skip("it takes minutes: make test-long")
	}
	t.Parallel()
}

// busy is after how long a run of the short form takes the machine for a busy one.
const busy = 2 * time.Minute

// inRealTime is a plan on Redis servers, in real time: little of it may be spent on
// waiting. A run ends as soon as everything that is wanted has happened; on a busy
// machine that takes several times as long.
func inRealTime(tb testing.TB, p plan) plan {
	p.launch, p.real, p.audits, p.haste, p.longest = onRedis(tb), true, true, 8, max(*lastsFlag, 12*time.Minute)
	p.heavy, p.pause = 2000, 1200*time.Millisecond
	p.rates.loseRequest, p.rates.loseReply, p.rates.steps = 0.012, 0.012, 0.03
	p.rates.unnoticed, p.rates.late = 0.02, 300*time.Millisecond
	return p
}

// redisStorm is storm on real servers: what sleeps does so until the ring has
// changed, three times in the long form, and servers are killed with kill -9.
func redisStorm(tb testing.TB) plan {
	p := inRealTime(tb, storm())
	p.outages, p.outage = 80*time.Second, 3*time.Second
	p.sleeps, p.through = 40*time.Second, 1
	p.trips = [...]float64{stepOfMove: 0.002, fencing: 0.003, accepting: 0.06, opening: 0.003}
	p.wanted = slices.DeleteFunc(slices.Clone(stormFaults), func(f chaos.Fault) bool {
		return f == chaos.InstanceFrozen || f == entriesTaken // guests, which are light, are the home of few windows
	})
	p.wanted = append(p.wanted, sleptThroughChanges, countedWhenAwake)
	if *lastsFlag > 0 {
		p.through = 3
		p.wanted = append(p.wanted, changesAtOnce)
	} else { // where everything else runs as well, there is time for a few changes only
		p.changes, p.least = p.changes/2, 5
		p.wanted = slices.DeleteFunc(p.wanted, func(f chaos.Fault) bool { return f == changeUndone })
	}
	return p
}

// redisAmnesia is amnesia on real servers, whose append-only files lose their ends.
func redisAmnesia(tb testing.TB) plan {
	p := inRealTime(tb, amnesia())
	p.wanted, p.keepEvery, p.relapse = amnesiaFaults, 4*time.Second, 0.01
	return p
}

// squall is enough to find a defect soon: no instance dies, so that the ring changes
// quickly, but one sleeps most of the time.
func squall(tb testing.TB) plan {
	p := gale(tb)
	p.crashes, p.outages = false, 0
	return p
}

// gale is squall with deaths.
func gale(tb testing.TB) plan {
	p := redisStorm(tb)
	p.wanted, p.changes, p.aborted, p.hunt = nil, 12, 50, 2*time.Minute
	p.rates.copies, p.rates.duplicate, p.late, p.swings, p.sleeps = 0.3, 0.9, 60*time.Second, true, 4*time.Second
	p.rates.delay, p.rates.late, p.clients, p.through = 0.06, 200*time.Millisecond, 16, 1
	return p
}

// redisThaw is amnesia in which servers fall back more often than not.
func redisThaw(tb testing.TB) plan {
	p := redisAmnesia(tb)
	p.wanted, p.changes, p.aborted, p.hunt, p.swings = nil, 6, 20, 10*time.Second, true
	p.keepEvery, p.relapse = 16*time.Second, 0.03
	return p
}

// V12, V13, V17, V25, P2, P3, P4: nothing is lost, doubled or read low on Redis while
// the ring changes and everything goes wrong.
func TestNothingIsLostWhileARingOfRedisChangesInAStorm(t *testing.T) {
	t.Parallel()
	stormOnRedis(t, redisStorm(t))
}

// P4: a server whose append-only file loses its end, but nothing that a step has
// promised to keep, loses nothing.
func TestRedisServersThatFallBackLoseNothingWhileTheRingChanges(t *testing.T) {
	t.Parallel()
	stormOnRedis(t, redisAmnesia(t))
}

// The runs that find defects find none where there is none.
func TestASquallBreaksNoPromiseOnRedis(t *testing.T) {
	long(t)
	p := squall(t)
	p.changes = 4
	stormOnRedis(t, p)
}

// Each defect breaks a promise on Redis, too. What shows it comes again and again
// while a run goes on, which ends when it has come.
func TestEveryDefectOfTheProtocolIsFoundOnRedis(t *testing.T) {
	long(t)
	const tries = 8
	for _, c := range defects() {
		t.Run(c.mutant.name, func(t *testing.T) {
			t.Parallel()
			plans := []plan{squall(t), gale(t)}
			if c.mutant.noBarrier {
				plans = []plan{redisThaw(t)}
			}
			promise := func(v string) bool { return strings.HasPrefix(v, "P") }
			chaos.Find(t, tries, promise, func(try int) chaos.Result {
				return runReal(t, try, plans[try%len(plans)], c.mutant)
			})
		})
	}
}

// stormOnRedis makes one run, in which all that is wanted happens.
func stormOnRedis(t *testing.T, p plan) {
	chaos.Storm(t, 1, 1, p.wanted, func(int) chaos.Result { return runReal(t, 0, p, mutant{}) })
}

func runReal(t *testing.T, n int, p plan, m mutant) chaos.Result {
	w := newWorld(seed()+uint64(n), p, m)
	w.run(t.Context())
	return w.result()
}

const (
	sleptThroughChanges chaos.Fault = "slept_through_changes"
	countedWhenAwake    chaos.Fault = "counted_when_it_woke_up"
)

// sleepThroughChanges stops an instance, with requests in its hands, until the
// ring has changed a few times; when it wakes up it is asked at once.
func (w *world) sleepThroughChanges(d *chaos.Dice) {
	i := w.Pick(d)
	if i == nil {
		return
	}
	begin := w.Counted.Count(changeMade)
	w.Counted.Add(chaos.InstanceFrozen)
	i.Frozen.Close()
	awake := func() bool { return w.Counted.Count(changeMade) >= begin+w.plan.through }
	for goOn := true; goOn && !awake(); {
		goOn = w.Rest(20 * time.Millisecond)
	}
	i.Frozen.Open()
	if !awake() || i.IsDead() {
		return
	}
	w.Counted.Add(sleptThroughChanges)
	var asked sync.WaitGroup
	for range 40 {
		page := w.pages[d.UpTo(len(w.pages))]
		asked.Go(func() {
			if i.record(page, 1) == chaos.Acknowledged {
				w.Counted.Add(countedWhenAwake)
			}
			i.read(page)
		})
	}
	asked.Wait()
}

// swing gives the first node more weight, and less the next time, so that the
// same arcs go to and fro and a step that is late meets them again.
func (i *instance) swing(ctx context.Context) error {
	v := i.cluster.View()
	weight := i.world.plan.heavy - 30
	if v.Members()[0].Weight <= i.world.plan.heavy {
		weight += 60
	}
	_, err := i.ring.Reweight(ctx, v.Members()[0].ID, weight, false)
	return err
}

// audit reads all pages by any instance, again and again.
func (w *world) audit(d *chaos.Dice) {
	for w.Rest(150 * time.Millisecond) {
		if i := w.Pick(d); i != nil {
			i.read(w.pages...)
		}
	}
}

// operateAtOnce changes the ring by one instance, and now and then by another at
// the same time. It doesn't wait long for one that falls asleep meanwhile.
func (w *world) operateAtOnce(d *chaos.Dice) {
	rivals := 1
	if d.Chance(0.3) {
		rivals = 2
	}
	done := make(chan struct{}, rivals)
	for range rivals {
		w.Faults.Go(func() { w.operate(d); done <- struct{}{} })
	}
	late := time.After(time.Second)
	for range rivals {
		select {
		case <-done:
		case <-late:
			return
		}
	}
}

// awaitReports waits until the windows that have ended are published.
func (w *world) awaitReports(ctx context.Context) {
	if w.plan.rollBacks {
		w.touch()
		return // and of windows nothing is promised, as what a closer notes may be lost
	}
	last := counting.WindowLength(windowLength).At(time.Now())
	waiting := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		waiting = ""
		// A heartbeat makes a node keep a window. No node is asked that the ring has
		// removed meanwhile: no instance closes its windows.
		for _, m := range w.Instances()[0].cluster.View().Members() {
			a, err := w.serverOf(m.ID).far.Heartbeat(ctx, counting.Clock{Now: time.Now(), MaxSkew: time.Minute})
			if err != nil || a.Current <= last || slices.ContainsFunc(a.Waiting, func(w counting.Window) bool { return w <= last }) {
				waiting += fmt.Sprintf("%s: %v, %v; ", m.ID, a, err)
			}
		}
		if waiting == "" {
			return
		}
	}
	w.Violate("windows up to %d are not published: %s", last, waiting)
}

// touch lets every instance count on every node, so that it notices what a node
// has forgotten; without it that takes an hour.
func (w *world) touch() {
	var all sync.WaitGroup
	for _, i := range w.Instances() {
		for _, page := range w.pages {
			all.Go(func() { i.record(page, 1) })
		}
	}
	all.Wait()
}

// abandon ends a world in which something is wrong.
func (w *world) abandon() {
	for _, i := range w.Instances() {
		if i != nil {
			i.Crash()
		}
	}
	w.Load.Wait()
	w.Faults.Wait()
	w.Travels.Wait()
}
