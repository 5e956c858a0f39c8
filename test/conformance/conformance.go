// Package conformance checks a node against the comments of the ports that it
// implements: counting.Counts, Movable, Histories, Windows, Ledger and DeadLetters, and sharding.RingStore. Every
// sentence of those comments is a case here, and both change in one commit.
//
// A case that is not for an adapter's node is skipped by name: its clock can't be
// moved, or it does not outlive its process.
package conformance

import (
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// Node is what every store of Footfall is. One that is no counting.Movable says why
// (Harness.Immovable).
type Node interface {
	counting.Counts
	counting.Windows
	counting.Ledger
	counting.DeadLetters
	sharding.RingStore
}

// Harness is how the suite handles the nodes of one adapter. Functions that
// are nil opt out of the cases that need them; Open and Close are needed.
type Harness struct {
	// Open returns a new, empty node, and closes it when the test ends.
	Open func(t *testing.T) Node
	// Close closes a node; it may be called again when the test ends.
	Close func(t *testing.T, n Node)
	// Reopen closes a node and opens what it has stored, with its clock.
	Reopen func(t *testing.T, n Node) Node
	// Impostor opens what a node has stored as a node with another id.
	Impostor func(t *testing.T, n Node) Node
	// Advance moves the clock of a node, back when d is negative. Where it
	// is nil the suite waits for real windows to pass; where it isn't, the
	// clock stands still between calls.
	Advance func(t *testing.T, n Node, d time.Duration)
	// They put something in the place of a page's count or packed history, of the ids of a
	// window, or of an entry, that is none.
	CorruptPage, CorruptHistory func(t *testing.T, n Node, at counting.Located)
	CorruptWindow, CorruptEntry func(t *testing.T, n Node, w counting.Window)
	// Immovable says why no arc moves to or from the nodes; empty where they do.
	Immovable string
}

// TestNode runs the suite. Its cases run concurrently, each with nodes of its own.
func TestNode(t *testing.T, h Harness) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"apply", applyCases()},
		{"refusals", refusalCases()},
		{"corrupt", corruptCases()},
		{"read", readCases()},
		{"list", listCases()},
		{"counts that are set", setCountCases()},
		{"page limit", pageLimitCases()},
		{"keys", keyCases()},
		{"ids", idCases()},
		{"windows", windowCases()},
		{"seal", sealCases()},
		{"clocks", clockCases()},
		{"claims", claimCases()},
		{"entries", entryCases()},
		{"ring", ringCases()},
		{"changes", changeCases()},
		{"accept", acceptCases()},
		{"moves", moveCases()},
		{"continued moves", continuedCases()},
		{"claimed arcs", claimArcCases()},
		{"imported pages", importCases()},
		{"moving keys", moveKeyCases()},
		{"read parts", readPartsCases()},
		{"imported entries", importEntryCases()},
		{"dead letters", deadLetterCases()},
		{"sweep", sweepCases()},
		{"quarantine", quarantineCases()},
		{"lifecycle", lifecycleCases()},
		{"retention", retentionCases()},
		{"history", slices.Concat(historyCases(), keepHistoryCases(), compactCases(), historyMoveCases(), restoreCases(), historyListCases())},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					f := &fixture{T: t, Harness: h}
					c.given(f)
					c.run(f)
				})
			}
		})
	}
}

// testCase is one sentence and what checks it, on the node that is given.
type testCase struct {
	name  string
	given func(f *fixture)
	run   func(f *fixture)
}

// open gives a case a node that is all of a ring of epoch 1.
func open(f *fixture) { f.open() }

// empty gives a case a node that is in no ring.
func empty(f *fixture) { f.empty() }

// timed is as open, for a case that moves the clock.
func timed(f *fixture) {
	f.needsClock()
	f.open()
}

// moving lets a case open nodes between which arcs move.
func moving(f *fixture) { f.needs(f.Immovable == "", f.Immovable) }

// fixture is what one case works with: a node, the ring that it is in, and a
// session at it.
type fixture struct {
	*testing.T
	Harness
	node    Node
	ring    *sharding.Ring
	session counting.Session
	seq     int64
}

// empty opens a node that is in no ring.
func (f *fixture) empty() {
	f.Helper()
	f.node = f.Open(f.T)
	f.session, f.seq = "session-a", 0
}

// open opens a node that is all of a ring of epoch 1.
func (f *fixture) open() {
	f.Helper()
	f.empty()
	f.openRing(f.firstRing("first", f.member()))
}

func (f *fixture) member() sharding.Member {
	return sharding.Member{ID: f.node.ID(), Addr: f.node.Addr(), Weight: 1}
}

// firstRing is a ring of epoch 1. Its members are so heavy that a member that joins
// with weight 1 takes few arcs: each costs a call.
func (f *fixture) firstRing(change string, members ...sharding.Member) *sharding.Ring {
	f.Helper()
	for i := range members {
		members[i].Weight = 63
	}
	return check.Value(sharding.New("conformance", 7, f.length(), change, members))(f)
}

// next is the ring of the next epoch, with another member. Ids go by its table
// from the window after the next on.
func (f *fixture) next(change string) *sharding.Ring {
	f.Helper()
	return f.nextRing(change, f.current()+2)
}

// nextRing is the ring of the next epoch, with another member. Ids go
// by its table from the window on.
func (f *fixture) nextRing(change string, from counting.Window) *sharding.Ring {
	f.Helper()
	other := sharding.Member{ID: counting.NodeID("other_" + change), Addr: "other:" + change, Weight: 1}
	r := check.Value(f.ring.Add(sharding.Change{ID: change, From: from, Oldest: from - 100}, other))(f)
	return r
}

// openRing fences and opens a ring.
func (f *fixture) openRing(r *sharding.Ring) {
	f.Helper()
	OpenRing(f, f.node, r)
	f.ring = r
}

// length is that of the windows: short where the suite has to wait for them.
func (f *fixture) length() counting.WindowLength {
	if f.Advance == nil {
		return counting.WindowLength(time.Second)
	}
	return counting.WindowLength(time.Minute)
}

// needs skips a case that the adapter opted out of.
func (f *fixture) needs(have bool, why string) {
	f.Helper()
	if !have {
		f.Skip("the adapter opted out: " + why)
	}
}

func (f *fixture) needsClock() {
	f.Helper()
	f.needs(f.Advance != nil, "its clock can't be moved")
}

// elapse lets time pass on the node's clock.
func (f *fixture) elapse(d time.Duration) {
	f.Helper()
	if f.Advance != nil {
		f.Advance(f.T, f.node, d)
		return
	}
	select {
	case <-time.After(d):
	case <-f.Context().Done():
	}
}

// window is the node's current one. Where the clock runs, it has just begun.
func (f *fixture) window() counting.Window {
	f.Helper()
	w := f.current()
	if f.Advance == nil {
		return f.pass(w)
	}
	return w
}

func (f *fixture) current() counting.Window {
	f.Helper()
	a := f.heartbeat()
	return a.Current
}

// pass lets w end, and returns the window that is then current.
func (f *fixture) pass(w counting.Window) counting.Window {
	f.Helper()
	for {
		if now := f.current(); now > w {
			return now
		}
		if f.Advance != nil {
			f.elapse(time.Duration(f.length()))
		} else {
			f.elapse(20 * time.Millisecond)
		}
	}
}

// seal seals a window that has passed.
func (f *fixture) seal(w counting.Window) int64 {
	f.Helper()
	count := check.Value(f.node.Seal(f.Context(), w, 0, AnyTime()))(f)
	return count
}

func (f *fixture) at(page counting.Page) counting.Located {
	return counting.Located{Arc: f.ring.Arc(page), Page: page}
}

func (f *fixture) visit(page counting.Page, count int64) counting.Visit {
	return counting.Visit{Arc: f.ring.Arc(page), Page: page, Count: count}
}

// batch is the next one of the fixture's session.
func (f *fixture) batch(visits ...counting.Visit) *counting.Batch {
	f.seq++
	return &counting.Batch{Epoch: f.ring.Epoch(), Session: f.session, Seq: f.seq, Visits: visits, EndpointLimit: 1000, Clock: AnyTime()}
}

// idBatch is the next one of the fixture's session.
func (f *fixture) idBatch(arrivals ...counting.IDEvent) *counting.Batch {
	b := f.batch()
	b.IDEvents = arrivals
	return b
}

// idEvent is an id by the ring's newest table.
func (f *fixture) idEvent(id counting.ID, endpoint string) counting.IDEvent {
	_, table := f.ring.IDOwner(id, 0)
	return counting.IDEvent{ID: id, Endpoint: endpoint, Table: table}
}

// addIDs adds ids that must be applied.
func (f *fixture) addIDs(ids ...counting.ID) {
	f.Helper()
	var events []counting.IDEvent
	for _, id := range ids {
		events = append(events, f.idEvent(id, ""))
	}
	f.apply(f.idBatch(events...))
}

// reopen closes the node, and goes on with what it has stored.
func (f *fixture) reopen() {
	f.Helper()
	f.needs(f.Reopen != nil, "it doesn't outlive its process")
	f.node = f.Reopen(f.T, f.node)
}
