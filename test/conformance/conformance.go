// Package conformance checks a node against the comments of the ports that it
// implements: counting.Counts, Movable, Windows and Ledger, and sharding.RingStore. Every
// sentence of those comments is a case here, and both change in one commit.
//
// A case that an adapter's node can't take part in, because its clock can't be
// moved or it doesn't outlive its process, is skipped by name.
package conformance

import (
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Node is what every store of Footfall is. One that is no counting.Movable says why
// (Harness.Immovable).
type Node interface {
	counting.Counts
	counting.Windows
	counting.Ledger
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
	// CorruptPage puts something under a page that is no count,
	// CorruptWindow something under the ids of a window that is no set, and
	// CorruptEntry something under the entry of a window that is none.
	CorruptPage   func(t *testing.T, n Node, at counting.Located)
	CorruptWindow func(t *testing.T, n Node, w counting.Window)
	CorruptEntry  func(t *testing.T, n Node, w counting.Window)
	// Immovable says why no arc moves to or from the nodes; empty where they do.
	Immovable string
	// Parallel lets cases run at once, each with nodes of its own.
	Parallel bool
}

// TestNode runs the suite.
func TestNode(t *testing.T, h Harness) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"apply", applyCases()},
		{"refusals", refusalCases()},
		{"corrupt", corruptCases()},
		{"read", readCases()},
		{"ids", idCases()},
		{"windows", windowCases()},
		{"seal", sealCases()},
		{"claims", claimCases()},
		{"entries", entryCases()},
		{"ring", ringCases()},
		{"changes", changeCases()},
		{"approvals", approveCases()},
		{"moves", moveCases()},
		{"moving reads", movingReadCases()},
		{"taken entries", takenCases()},
		{"sweep", sweepCases()},
		{"aside", asideCases()},
		{"keys", keyCases()},
		{"settings", settingCases()},
		{"list", listCases()},
		{"life", lifeCases()},
		{"forgetting", forgettingCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					if h.Parallel {
						t.Parallel()
					}
					c.run(t, &stand{Harness: h})
				})
			}
		})
	}
}

// testCase is one sentence and what checks it. It opens its node by
// stand.empty or stand.open.
type testCase struct {
	name string
	run  func(t *testing.T, s *stand)
}

// stand is what one case works with: a node, the ring that it is in, and a
// session at it.
type stand struct {
	Harness
	node    Node
	ring    *sharding.Ring
	session counting.Session
	seq     int64
}

// empty opens a node that no ring knows.
func (s *stand) empty(t *testing.T) Node {
	t.Helper()
	s.node = s.Open(t)
	s.session, s.seq = "session-a", 0
	return s.node
}

// open opens a node that is all of a ring of epoch 1.
func (s *stand) open(t *testing.T) Node {
	t.Helper()
	n := s.empty(t)
	s.enter(t, s.newRing(t, "first"))
	return n
}

// newRing is a ring of epoch 1 with the node alone.
func (s *stand) newRing(t *testing.T, change string) *sharding.Ring {
	t.Helper()
	members := []sharding.Member{{ID: s.node.ID(), Addr: s.node.Addr(), Weight: 1}}
	r, err := sharding.New("conformance", 7, s.length(), change, members)
	must(t, err)
	return r
}

// nextRing is the ring of the next epoch, with a stranger in it; ids go by
// its table from the window on.
func (s *stand) nextRing(t *testing.T, change string, from counting.Window) *sharding.Ring {
	t.Helper()
	stranger := sharding.Member{ID: counting.NodeID("stranger_" + change), Addr: "stranger:" + change, Weight: 1}
	r, err := s.ring.Add(sharding.Change{ID: change, From: from, Oldest: from - 100}, stranger)
	must(t, err)
	return r
}

// enter fences and opens a ring.
func (s *stand) enter(t *testing.T, r *sharding.Ring) {
	t.Helper()
	_, err := s.node.Fence(t.Context(), r)
	must(t, err)
	must(t, s.node.Open(t.Context(), r))
	s.ring = r
}

// length is that of the windows: short where the suite has to wait for them.
func (s *stand) length() counting.WindowLength {
	if s.Advance == nil {
		return counting.WindowLength(time.Second)
	}
	return counting.WindowLength(time.Minute)
}

// needs skips a case that the adapter opted out of.
func needs(t *testing.T, have bool, why string) {
	t.Helper()
	if !have {
		t.Skip("the adapter opted out: " + why)
	}
}

func (s *stand) needsClock(t *testing.T) {
	t.Helper()
	needs(t, s.Advance != nil, "its clock can't be moved")
}

// elapse lets time pass on the node's clock.
func (s *stand) elapse(t *testing.T, d time.Duration) {
	t.Helper()
	if s.Advance != nil {
		s.Advance(t, s.node, d)
		return
	}
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// window is the node's current one. Where the clock runs, it has just begun.
func (s *stand) window(t *testing.T) counting.Window {
	t.Helper()
	w := s.current(t)
	if s.Advance == nil {
		return s.pass(t, w)
	}
	return w
}

func (s *stand) current(t *testing.T) counting.Window {
	t.Helper()
	a, err := s.node.Heartbeat(t.Context())
	must(t, err)
	return a.Current
}

// pass lets w end, and returns the window that is then current.
func (s *stand) pass(t *testing.T, w counting.Window) counting.Window {
	t.Helper()
	for {
		if now := s.current(t); now > w {
			return now
		}
		if s.Advance != nil {
			s.elapse(t, time.Duration(s.length()))
		} else {
			s.elapse(t, 20*time.Millisecond)
		}
	}
}

// seal seals a window that has passed.
func (s *stand) seal(t *testing.T, w counting.Window) int64 {
	t.Helper()
	count, err := s.node.Seal(t.Context(), w, 0)
	must(t, err)
	return count
}

func (s *stand) at(page counting.Page) counting.Located {
	return counting.Located{Arc: s.ring.Arc(page), Page: page}
}

func (s *stand) visit(page counting.Page, count int64) counting.Visit {
	return counting.Visit{Arc: s.ring.Arc(page), Page: page, Count: count}
}

// batch is the next one of the stand's session.
func (s *stand) batch(visits ...counting.Visit) *counting.Batch {
	s.seq++
	return &counting.Batch{Epoch: s.ring.Epoch(), Session: s.session, Seq: s.seq, Visits: visits, EndpointLimit: 1000}
}

// idBatch is the next one of the stand's session.
func (s *stand) idBatch(arrivals ...counting.IDEvent) *counting.Batch {
	b := s.batch()
	b.IDEvents = arrivals
	return b
}

// arrival is an id that comes by the table of the ring's newest epoch but
// where the test says otherwise.
func (s *stand) arrival(id counting.ID, endpoint string) counting.IDEvent {
	_, table := s.ring.IDOwner(id, 0)
	return counting.IDEvent{ID: id, Endpoint: endpoint, Table: table}
}

// apply sends a batch that must be taken and have these refusals.
func (s *stand) apply(t *testing.T, b *counting.Batch, want ...counting.Refusal) {
	t.Helper()
	got, err := s.node.Apply(t.Context(), b)
	must(t, err)
	if got.Duplicate || !slices.Equal(got.Refused, want) {
		t.Fatalf("got the receipt %+v, want no duplicate and the refusals %v", got, want)
	}
}

// arrive adds ids that must be taken.
func (s *stand) arrive(t *testing.T, ids ...counting.ID) {
	t.Helper()
	var arrivals []counting.IDEvent
	for _, id := range ids {
		arrivals = append(arrivals, s.arrival(id, ""))
	}
	s.apply(t, s.idBatch(arrivals...))
}
