package conformance

import (
	"sync"
	"sync/atomic"
	"testing"

	"footfall/domain/counting"
)

func applyCases() []testCase {
	return []testCase{
		{"visits are added to their pages", visitsAreAdded},
		{"a page may be in a batch many times", pageManyTimes},
		{"an empty batch is applied and takes its number", emptyBatch},
		{"a duplicate of the last batch changes nothing and is refused the same", duplicateOfLast},
		{"a duplicate of an older batch changes nothing and has no refusals", duplicateOfOlder},
		{"a duplicate is known in whatever epoch it returns", duplicateInEveryEpoch},
		{"a batch that is not the next one is a gap and names the last", gapNamesLast},
		{"a session that the node doesn't know begins with batch 1", unknownSession},
		{"a gap is closed by sending what lacks again", gapIsClosed},
		{"sessions are apart", sessionsAreApart},
		{"a batch of an epoch below the fence is stale", staleBatch},
		{"a batch of an epoch that is not open is ahead", batchAhead},
		{"the epoch is looked at before the gap", epochBeforeGap},
		{"a number refused as stale is free for other content", staleNumberIsFree},
		{"a node without a ring applies nothing", applyUninitialized},
		{"a batch sent many times at once is applied once", sameBatchAtOnce},
		{"batches of many sessions at once add up exactly", manySessionsAtOnce},
	}
}

func visitsAreAdded(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 2), s.visit("about", 1)))
	s.apply(t, s.batch(s.visit("home", 40)))
	s.visits(t, "home", 42)
	s.visits(t, "about", 1)
}

func pageManyTimes(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 1), s.visit("about", 1), s.visit("home", 5)))
	s.visits(t, "home", 6)
}

func emptyBatch(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch())
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 1)
}

func duplicateOfLast(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most)))
	b := s.batch(s.visit("home", 1), s.visit("full", 1), s.visit("about", 1), s.visit("full", 2))
	refusals := []counting.Refusal{{Item: 1, Reason: counting.Overflow}, {Item: 3, Reason: counting.Overflow}}
	s.apply(t, b, refusals...)
	for range 3 {
		s.duplicate(t, b, refusals...)
	}
	s.visits(t, "home", 1)
	s.visits(t, "about", 1)
}

func duplicateOfOlder(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most)))
	b := s.batch(s.visit("home", 1), s.visit("full", 1))
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.Overflow})
	s.apply(t, s.batch(s.visit("home", 1)))
	s.duplicate(t, b)
	s.visits(t, "home", 2)
}

func duplicateInEveryEpoch(t *testing.T, s *stand) {
	n := s.open(t)
	older, last := s.batch(s.visit("home", 1)), s.batch(s.visit("home", 1))
	s.apply(t, older)
	s.apply(t, last)
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err := n.Fence(t.Context(), next)
	must(t, err)
	s.duplicate(t, older)
	s.duplicate(t, last)
	s.enter(t, next)
	s.duplicate(t, older)
	s.duplicate(t, last)
	s.visits(t, "home", 2)
}

func gapNamesLast(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.seq++
	s.gap(t, s.batch(s.visit("home", 1)), 1)
	s.visits(t, "home", 1)
}

func unknownSession(t *testing.T, s *stand) {
	s.open(t)
	s.seq = 4
	s.gap(t, s.batch(s.visit("home", 1)), 0)
	s.visits(t, "home", 0)
	s.seq = 0
	s.apply(t, s.batch(s.visit("home", 1)))
}

func gapIsClosed(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 1)))
	lacks, after := s.batch(s.visit("home", 2)), s.batch(s.visit("home", 4))
	s.gap(t, after, 1)
	s.apply(t, lacks)
	s.apply(t, after)
	s.visits(t, "home", 7)
}

func sessionsAreApart(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.apply(t, s.batch(s.visit("home", 1)))
	s.session, s.seq = "session-b", 0
	s.apply(t, s.batch(s.visit("home", 1)))
	s.session, s.seq = "session-a", 2
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 4)
}

func staleBatch(t *testing.T, s *stand) {
	n := s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err := n.Fence(t.Context(), next)
	must(t, err)
	b := s.batch(s.visit("home", 1))
	s.refused(t, b, counting.ErrStale)
	s.enter(t, next)
	s.refused(t, b, counting.ErrStale)
	s.visits(t, "home", 0)
}

func batchAhead(t *testing.T, s *stand) {
	n := s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	b := s.batch(s.visit("home", 1))
	b.Epoch = next.Epoch()
	s.refused(t, b, counting.ErrAhead)
	_, err := n.Fence(t.Context(), next)
	must(t, err)
	s.refused(t, b, counting.ErrAhead)
	s.enter(t, next)
	s.apply(t, b)
	s.visits(t, "home", 1)
}

func epochBeforeGap(t *testing.T, s *stand) {
	s.open(t)
	s.enter(t, s.nextRing(t, "second", s.current(t)+2))
	s.seq = 6
	b := s.batch(s.visit("home", 1))
	b.Epoch = 1
	s.refused(t, b, counting.ErrStale)
	b.Epoch = 3
	s.refused(t, b, counting.ErrAhead)
	b.Epoch = 2
	s.gap(t, b, 0)
}

func staleNumberIsFree(t *testing.T, s *stand) {
	s.open(t)
	old := s.batch(s.visit("home", 1))
	s.enter(t, s.nextRing(t, "second", s.current(t)+2))
	s.refused(t, old, counting.ErrStale)
	s.seq--
	s.apply(t, s.batch(s.visit("about", 1)))
	s.visits(t, "home", 0)
	s.visits(t, "about", 1)
}

func applyUninitialized(t *testing.T, s *stand) {
	n := s.empty(t)
	ring := s.newRing(t, "first")
	b := &counting.Batch{Epoch: 1, Session: "session-a", Seq: 1, Visits: []counting.Visit{{Arc: ring.Arc("home"), Page: "home", Count: 1}}}
	s.refused(t, b, counting.ErrUninitialized)
	s.enter(t, ring)
	s.visits(t, "home", 0)
	_, err := n.Apply(t.Context(), b)
	must(t, err)
}

func sameBatchAtOnce(t *testing.T, s *stand) {
	n := s.open(t)
	b := s.batch(s.visit("home", 1))
	var first atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := n.Apply(t.Context(), b)
			if err != nil {
				t.Error(err)
			} else if !r.Duplicate {
				first.Add(1)
			}
		})
	}
	all.Wait()
	equal(t, "calls that were not duplicates", first.Load(), 1)
	s.visits(t, "home", 1)
}

func manySessionsAtOnce(t *testing.T, s *stand) {
	const sessions, batches, pages = 12, 20, 5
	n := s.open(t)
	names := []counting.Page{"a", "b", "c", "d", "e"}
	var all sync.WaitGroup
	for i := range sessions {
		all.Go(func() {
			name := counting.Session("session-" + string(rune('a'+i)))
			for seq := range int64(batches) {
				b := &counting.Batch{Epoch: 1, Session: name, Seq: seq + 1}
				for _, p := range names {
					b.Visits = append(b.Visits, s.visit(p, 2), s.visit(p, 1))
				}
				if r, err := n.Apply(t.Context(), b); err != nil || r.Duplicate || len(r.Refused) > 0 {
					t.Errorf("%s, batch %d: %+v, %v", name, seq+1, r, err)
				}
			}
		})
	}
	all.Wait()
	for _, p := range names[:pages] {
		s.visits(t, p, 3*sessions*batches)
	}
}
