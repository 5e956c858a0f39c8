package conformance

import (
	"sync"

	"footfall/domain/counting"
	"footfall/test/check"
)

func applyCases() []testCase {
	return []testCase{
		{"visits are added to their pages, which may be in a batch many times", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 2), f.visit("about", 1), f.visit("home", 5)))
			f.apply(f.batch(f.visit("home", 40)))
			f.visits("home", 47)
			f.visits("about", 1)
		}},
		{"an empty batch is applied and uses its number", open, func(f *fixture) {
			f.apply(f.batch())
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 1)
		}},
		{"a duplicate of the last batch changes nothing and has the same refusals", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most)))
			b := f.batch(f.visit("home", 1), f.visit("full", 1), f.visit("about", 1), f.visit("full", 2))
			refusals := []counting.Refusal{{Item: 1, Reason: counting.Overflow}, {Item: 3, Reason: counting.Overflow}}
			f.apply(b, refusals...)
			for range 3 {
				f.duplicate(b, refusals...)
			}
			f.visits("home", 1)
			f.visits("about", 1)
		}},
		{"a duplicate of an older batch changes nothing and has no refusals", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most)))
			b := f.batch(f.visit("home", 1), f.visit("full", 1))
			f.apply(b, refusal(1, counting.Overflow))
			f.apply(f.batch(f.visit("home", 1)))
			f.duplicate(b)
			f.visits("home", 2)
		}},
		{"a duplicate is known in every epoch", open, func(f *fixture) {
			older, last := f.batch(f.visit("home", 1)), f.batch(f.visit("home", 1))
			f.apply(older)
			f.apply(last)
			next := f.next("second")
			f.fence(next)
			f.duplicate(older)
			f.duplicate(last)
			f.openRing(next)
			f.duplicate(older)
			f.duplicate(last)
			f.visits("home", 2)
		}},
		{"an unknown session begins with batch 1", open, func(f *fixture) {
			f.seq = 4
			f.gap(f.batch(f.visit("home", 1)), 0)
			f.visits("home", 0)
			f.seq = 0
			f.apply(f.batch(f.visit("home", 1)))
		}},
		{"a batch that is not the next one is a gap, until those came that are missing", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 1)))
			missing, after := f.batch(f.visit("home", 2)), f.batch(f.visit("home", 4))
			f.gap(after, 1)
			f.apply(missing)
			f.apply(after)
			f.visits("home", 7)
		}},
		{"sessions don't affect each other", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 1)))
			f.apply(f.batch(f.visit("home", 1)))
			f.session, f.seq = "session-b", 0
			f.apply(f.batch(f.visit("home", 1)))
			f.session, f.seq = "session-a", 2
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 4)
		}},
		{"a batch of an epoch below the fence is stale, and its number is free for other content", open, func(f *fixture) {
			next := f.next("second")
			f.fence(next)
			b := f.batch(f.visit("home", 1))
			f.refuse(b, counting.ErrStale)
			f.openRing(next)
			f.refuse(b, counting.ErrStale)
			f.seq--
			f.apply(f.batch(f.visit("about", 1)))
			f.visits("home", 0)
			f.visits("about", 1)
		}},
		{"a batch of an epoch that is not open is ahead", open, func(f *fixture) {
			next := f.next("second")
			b := f.batch(f.visit("home", 1))
			b.Epoch = next.Epoch()
			f.refuse(b, counting.ErrAhead)
			f.fence(next)
			f.refuse(b, counting.ErrAhead)
			f.openRing(next)
			f.apply(b)
			f.visits("home", 1)
		}},
		{"a wrong epoch comes before a gap", open, func(f *fixture) {
			f.openRing(f.next("second"))
			f.seq = 6
			b := f.batch(f.visit("home", 1))
			b.Epoch = 1
			f.refuse(b, counting.ErrStale)
			b.Epoch = 3
			f.refuse(b, counting.ErrAhead)
			b.Epoch = 2
			f.gap(b, 0)
		}},
		{"a batch sent many times concurrently is applied once", open, func(f *fixture) {
			b := f.batch(f.visit("home", 1))
			f.oneWins(func(int) bool {
				r, err := f.node.Apply(f.Context(), b)
				check.OK(f, err)
				return !r.Duplicate
			})
			f.visits("home", 1)
		}},
		{"concurrent batches of many sessions add up exactly", open, func(f *fixture) {
			const sessions, batches, pages = 12, 20, 5
			names := []counting.Page{"a", "b", "c", "d", "e"}
			var all sync.WaitGroup
			for i := range sessions {
				all.Go(func() {
					name := counting.Session("session-" + string(rune('a'+i)))
					for seq := range int64(batches) {
						b := &counting.Batch{Epoch: 1, Session: name, Seq: seq + 1}
						for _, p := range names {
							b.Visits = append(b.Visits, f.visit(p, 2), f.visit(p, 1))
						}
						if r, err := f.node.Apply(f.Context(), b); err != nil || r.Duplicate || len(r.Refused) > 0 {
							f.Errorf("%s, batch %d: %+v, %v", name, seq+1, r, err)
						}
					}
				})
			}
			all.Wait()
			for _, p := range names[:pages] {
				f.visits(p, 3*sessions*batches)
			}
		}},
	}
}
