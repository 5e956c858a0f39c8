// Package simulation_test changes rings of up to 1,000 memory nodes in virtual
// time. RESULTS.md has the table that it makes.
package simulation_test

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// row is what a change was like.
type row struct {
	name                string
	arcs                int                 // that moved
	mostArcs, mostPages float64             // that a node has after it, by the mean
	usual, slowest      time.Duration       // the slowest write before it, and in it
	sent                map[chaos.Fault]int // until both instances go by the new ring
	moving              map[chaos.Fault]int // after that
	document            int                 // bytes of a ring
	idle, drain         time.Duration       // until an arc has moved, and from then until all have
}

// simulate adds a node to n others, and then removes one of those.
func simulate(t *testing.T, n, pages int) []row {
	d := start(t, n, pages)
	defer d.stop()
	return []row{
		d.change(fmt.Sprintf("%d + 1", n), "new", func() (sharding.Plan, error) { return d.ring.Add(t.Context(), "new", 1, false) }),
		d.change(fmt.Sprintf("%d - 1", n+1), "n1", func() (sharding.Plan, error) { return d.ring.Remove(t.Context(), "n1", false) }),
	}
}

// change makes a change, about one node, while the instances write.
func (d *deployment) change(name string, id counting.NodeID, do func() (sharding.Plan, error)) row {
	r := row{name: name}
	old, moved := d.instances[0].View().Ring, d.ring.Status(d.Context()).Moves.Arcs
	l := d.load()
	time.Sleep(100 * time.Millisecond)
	r.usual = l.take()
	before := d.sent.Counts()
	plan, err := do()
	d.must(err)
	begin, drained := time.Now(), make(chan struct{})
	go func() {
		defer close(drained)
		for left := plan.Arcs; left > 0; left = d.coming() {
			if left == plan.Arcs {
				r.idle = time.Since(begin)
			}
			time.Sleep(time.Millisecond)
		}
		r.drain = time.Since(begin) - r.idle
	}()
	for _, c := range d.instances {
		d.must(c.Follow(d.Context(), plan.Epoch-1))
	}
	during := d.sent.Counts()
	time.Sleep(50 * time.Millisecond)
	l.over.Store(true)
	l.writing.Wait()
	r.slowest = l.take()
	if plan.Arcs > 500 && d.coming() == 0 {
		d.Error("all arcs have moved before anybody could read")
	}
	d.inChunks(d.check)
	<-drained
	d.inChunks(d.check)
	time.Sleep(10 * time.Millisecond) // the last answer
	if moved = d.ring.Status(d.Context()).Moves.Arcs - moved; moved != int64(plan.Arcs) {
		d.Errorf("%s: %d arcs were moved, want %d", name, moved, plan.Arcs)
	}
	ring := d.instances[0].View().Ring
	checkMoves(d.T, old, ring, id)
	r.arcs, r.document, r.sent, r.moving = plan.Arcs, len(ring.Encode()), less(during, before), less(d.sent.Counts(), during)
	r.mostArcs, r.mostPages = d.balance(ring)
	return r
}

// less is what was sent from before until after.
func less(after, before map[chaos.Fault]int) map[chaos.Fault]int {
	sent := make(map[chaos.Fault]int)
	for what, n := range after {
		sent[what] = n - before[what]
	}
	return sent
}

// owned is how many arcs each active member has.
func owned(r *sharding.Ring) map[counting.NodeID]int {
	arcs := make(map[counting.NodeID]int)
	for arc := range counting.Arc(sharding.Arcs) {
		arcs[r.Members()[r.Owner(arc)].ID]++
	}
	return arcs
}

// checkMoves: a change moves what the quotas differ by, to or from the one
// node that it is about.
func checkMoves(t *testing.T, old, ring *sharding.Ring, id counting.NodeID) {
	before, after := owned(old), owned(ring)
	least, differ := sharding.Arcs/len(after), 0
	for id, arcs := range after {
		differ += max(0, arcs-before[id])
		if arcs != least && arcs != least+1 {
			t.Errorf("node %s has %d arcs of %d on %d nodes", id, arcs, sharding.Arcs, len(after))
		}
	}
	if moves := len(ring.Moves()); moves != differ || moves != max(before[id], after[id]) {
		t.Errorf("%d arcs move, want %d, the change of the quotas", moves, differ)
	}
	for _, m := range ring.Moves() {
		if from, to := ring.Members()[m.From].ID, ring.Members()[m.To].ID; from != id && to != id {
			t.Errorf("arc %d moves from %s to %s, which stay", m.Arc, from, to)
		}
	}
}

// balance is the most arcs, and pages, that a node has, by the mean.
func (d *deployment) balance(r *sharding.Ring) (arcs, pages float64) {
	pagesOf, most, mostPages := make(map[int]int), 0, 0
	for _, page := range d.pages {
		at := r.Owner(r.Arc(page))
		pagesOf[at]++
		mostPages = max(mostPages, pagesOf[at])
	}
	all := owned(r)
	for _, n := range all {
		most = max(most, n)
	}
	n := float64(len(all))
	return float64(most) * n / sharding.Arcs, float64(mostPages) * n / float64(len(d.pages))
}

func TestAChangeMovesWhatItMustAndStopsNoCallerForLong(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{3, 16} {
		synctest.Test(t, func(t *testing.T) {
			for _, r := range simulate(t, nodes, 20_000) {
				if r.slowest >= 100*time.Millisecond || r.slowest <= r.usual {
					t.Errorf("%s: the slowest write took %v, and %v before", r.name, r.slowest, r.usual)
				}
			}
		})
	}
}

// BenchmarkSimulation prints the table of RESULTS.md, in virtual time; ns/op
// is what the simulation took. It has tests in it, since virtual time is
// theirs alone.
func BenchmarkSimulation(b *testing.B) {
	var rows []row
	all := func(string, string) (bool, error) { return true, nil }
	for b.Loop() {
		rows = nil
		for _, nodes := range []int{3, 16, 100, 1000} {
			if !testing.RunTests(all, []testing.InternalTest{{Name: fmt.Sprint(nodes), F: func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { rows = append(rows, simulate(t, nodes, 1_000_000)...) })
			}}}) {
				b.FailNow()
			}
		}
	}
	out := "\n| nodes | arcs moved | arcs, peak/mean | pages, peak/mean | slowest write, before | in the change | messages | rings in them | steps of moves | asking what is left | idle | drain | arcs/s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
	for _, r := range rows {
		rings := r.sent["fence"] + 2*r.sent["ringstate"] // which answers with the fenced one and the open one
		out += fmt.Sprintf("| %s | %d | %.4f | %.3f | %.1f ms | %.1f ms | %d | %d, %.1f MB | %d | %d | %.2f s | %.2f s | %.0f |\n",
			r.name, r.arcs, r.mostArcs, r.mostPages, r.usual.Seconds()*1000, r.slowest.Seconds()*1000,
			rings-r.sent["ringstate"]+r.sent["accept"]+r.sent["open"]+r.sent["ringsummary"]+r.sent["heartbeat"], rings, float64(rings*r.document)/1e6,
			r.moving["step"], r.moving["list"], r.idle.Seconds(), r.drain.Seconds(), float64(r.arcs)/r.drain.Seconds())
	}
	_, _ = os.Stdout.WriteString(out)
}
