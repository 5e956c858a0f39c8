package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// failedDelivery is one that failed permanently.
func failedDelivery() counting.Delivery {
	return counting.Delivery{Attempts: 3, Status: 503, Final: true}
}

// letters are all dead letters of the node.
func (f *fixture) letters() []counting.DeadLetter {
	f.Helper()
	return check.Value(f.node.ListDeadLetters(f.Context(), "", counting.MaxDeadLettersAtOnce))(f)
}

// endpointsOfLetters checks of which endpoints there are letters, in their order.
func (f *fixture) endpointsOfLetters(want ...string) []counting.DeadLetter {
	f.Helper()
	all := f.letters()
	var got []string
	for _, l := range all {
		got = append(got, l.Endpoint)
	}
	equalSlices(f, "endpoints of dead letters", got, want)
	return all
}

// published claims a window that has a count.
func (f *fixture) published(w counting.Window, count int64) (token string) {
	f.Helper()
	token = f.claim(w, "a")
	f.advance(w, token, counting.Record(count))
	f.advance(w, token, counting.Publish("queue"))
	return token
}

// undelivered is a node with a letter for each endpoint, in their order.
func (f *fixture) undelivered(endpoints ...string) []counting.DeadLetter {
	f.Helper()
	token := f.published(100, 7)
	for _, e := range endpoints {
		f.advance(100, token, counting.SaveDelivery(e, failedDelivery()))
		f.elapse(2 * time.Millisecond) // keys have milliseconds
	}
	return f.endpointsOfLetters(endpoints...)
}

func (f *fixture) claimLetters(owner string, lease time.Duration, letters []counting.DeadLetter, want ...counting.DeadLetterClaim) {
	f.Helper()
	equalSlices(f, "claims of "+owner, check.Value(f.node.ClaimDeadLetters(f.Context(), owner, lease, keysOf(letters)))(f), want)
}

func keysOf(letters []counting.DeadLetter) (keys []counting.DeadLetterKey) {
	for _, l := range letters {
		keys = append(keys, l.Key)
	}
	return keys
}

func (f *fixture) summarized() sharding.RingSummary {
	f.Helper()
	return check.Value(f.node.RingSummary(f.Context()))(f)
}

// someLetters are those of other nodes, from a time on, one in each millisecond.
func someLetters(from time.Time, n int) (letters []counting.DeadLetter) {
	for i := range n {
		e := fmt.Sprintf("http://a.example/%d", i)
		key := counting.NewDeadLetterKey(from.Add(time.Duration(i)*time.Millisecond), 100, e)
		letters = append(letters, counting.DeadLetter{Key: key, Endpoint: e, Count: int64(i), Delivery: failedDelivery()})
	}
	return letters
}

func (f *fixture) addLetters(letters []counting.DeadLetter) {
	f.Helper()
	for some := range slices.Chunk(letters, counting.MaxDeadLettersAtOnce) {
		insist(f, func() error { return f.node.AddDeadLetters(f.Context(), "mover", 0, some) }) // a busy disk syncs late
	}
}

func deadLetterCases() []testCase {
	const a, b, c = "http://a.example/?q=1&r=2", "http://b.example/", "http://c.example/"
	claimed, busy, absent := counting.DeadLetterClaimed, counting.DeadLetterBusy, counting.DeadLetterAbsent
	return slices.Concat(deadLetterClaimCases(), deadLetterBoundCases(), []testCase{
		{"a delivery that failed permanently makes a letter, others do not", open, func(f *fixture) {
			f.endpointsOfLetters()
			token := f.published(100, 7)
			before := f.heartbeat().Now
			f.advance(100, token, counting.SaveDelivery(b, counting.Delivery{Attempts: 1, Status: 204, Final: true}))
			f.advance(100, token, counting.SaveDelivery(c, counting.Delivery{Attempts: 1, Status: 503}))
			paused := counting.Delivery{Final: true, Reason: "paused"}
			f.advance(100, token, counting.SaveDelivery(a, paused))
			all := f.endpointsOfLetters(a)
			at := all[0].Key.Failed()
			if at.Before(before.Truncate(time.Millisecond)) || at.After(f.heartbeat().Now) {
				f.Errorf("it failed at %v, the delivery was saved after %v", at, before)
			}
			equal(f, "letter", all[0], counting.DeadLetter{Key: counting.NewDeadLetterKey(at, 100, a), Endpoint: a, Count: 7, Delivery: paused})
			equal(f, "window of the letter", all[0].Key.Window(), 100)
		}},
		{"a repeated step makes no second letter, and none again", open, func(f *fixture) {
			all := f.undelivered(a)
			token := f.claim(100, "a")
			f.elapse(2 * time.Millisecond)
			f.advance(100, token, counting.SaveDelivery(a, failedDelivery()))
			f.endpointsOfLetters(a)
			check.Must(f, f.node.ForgetDeadLetters(f.Context(), keysOf(all)))
			f.advance(100, token, counting.SaveDelivery(a, failedDelivery()))
			f.endpointsOfLetters()
		}},
		{"each window has letters of its own, and imported deliveries make none", open, func(f *fixture) {
			f.undelivered(a)
			f.advance(101, f.published(101, 8), counting.SaveDelivery(a, failedDelivery()))
			all := f.endpointsOfLetters(a, a)
			equal(f, "counts", fmt.Sprint(all[0].Count, all[1].Count), "7 8")
			if f.Immovable == "" {
				f.importEntries(done(102, 9))
				f.endpointsOfLetters(a, a)
			}
		}},
		{"letters are listed in their order, in steps", open, func(f *fixture) {
			all := f.undelivered(c, a, b)
			for _, limit := range []int{1, 2, 5} {
				var got []counting.DeadLetter
				for after := counting.DeadLetterKey(""); ; after = got[len(got)-1].Key {
					some := check.Value(f.node.ListDeadLetters(f.Context(), after, limit))(f)
					got = append(got, some...)
					if len(some) < limit {
						break
					}
				}
				equalSlices(f, "letters in steps", got, all)
			}
			from := counting.DeadLettersFrom(all[1].Key.Failed())
			equalSlices(f, "letters from a time on", check.Value(f.node.ListDeadLetters(f.Context(), from, 9))(f), all[1:])
		}},
		{"a long endpoint and a claimed letter are listed like others", open, func(f *fixture) {
			long := "http://a.example/" + strings.Repeat("x", 2000)
			all := f.undelivered(long)
			f.claimLetters("a", f.lease(), all, claimed)
			equalSlices(f, "letters", f.letters(), all)
		}},
		{"letters of another node are stored claimed, once", open, func(f *fixture) {
			own := f.undelivered(a)
			more := someLetters(own[0].Key.Failed().Add(time.Second), 2)
			other := own[0]
			other.Count = 99
			check.Must(f, f.node.AddDeadLetters(f.Context(), "mover", f.lease(), append(more, other)))
			all := slices.Concat(own, more)
			equalSlices(f, "letters", f.letters(), all)
			f.claimLetters("b", f.lease(), all, claimed, busy, busy)
			f.claimLetters("mover", f.lease(), all, busy, claimed, claimed)
			check.Must(f, f.node.ForgetDeadLetters(f.Context(), keysOf(all)))
			f.endpointsOfLetters()
			f.claimLetters("b", f.lease(), all, absent, absent, absent)
		}},
		{"letters survive a restart", open, func(f *fixture) {
			all := f.undelivered(a, b)
			f.claimLetters("a", f.lease(), all[:1], claimed)
			f.reopen()
			equalSlices(f, "letters", f.letters(), all)
			equal(f, "number", f.summarized().DeadLetters, 2)
		}},
	})
}

func deadLetterClaimCases() []testCase {
	const a, b = "http://a.example/", "http://b.example/"
	claimed, busy := counting.DeadLetterClaimed, counting.DeadLetterBusy
	return []testCase{
		{"one owner at a time claims a letter, until its lease is over", open, func(f *fixture) {
			all := f.undelivered(a, b)
			f.claimLetters("a", f.lease(), all[:1], claimed)
			f.claimLetters("b", f.lease(), all, busy, claimed)
			f.claimLetters("a", f.lease(), all, claimed, busy)
			f.elapse(f.lease())
			f.claimLetters("b", f.lease(), all, claimed, claimed)
			f.claimLetters("a", f.lease(), all, busy, busy)
		}},
		{"a lease of before the clock stepped back excludes no owner", timed, func(f *fixture) {
			all := f.undelivered(a)
			f.claimLetters("a", time.Minute, all, claimed)
			f.elapse(-time.Hour)
			f.claimLetters("b", time.Minute, all, claimed)
		}},
		{"a released letter has its last delivery, and is claimed again", open, func(f *fixture) {
			all := f.undelivered(a, b)
			f.claimLetters("a", f.lease(), all[:1], claimed)
			f.claimLetters("b", f.lease(), all[1:], claimed)
			released := slices.Clone(all)
			for i := range released {
				released[i].Delivery = counting.Delivery{Attempts: 4, Status: 404, Final: true, Reason: "limited"}
			}
			check.Must(f, f.node.ReleaseDeadLetters(f.Context(), "a", released))
			equalSlices(f, "letters", f.letters(), []counting.DeadLetter{released[0], all[1]})
			f.claimLetters("c", f.lease(), all, claimed, busy)
			check.Must(f, f.node.ReleaseDeadLetters(f.Context(), "a", all))
			equal(f, "delivery after a release without a claim", f.letters()[0].Delivery, released[0].Delivery)
		}},
		{"a letter that was forgotten does not come back by a release", open, func(f *fixture) {
			all := f.undelivered(a, b)
			f.claimLetters("a", f.lease(), all, claimed, claimed)
			for range 2 {
				check.Must(f, f.node.ForgetDeadLetters(f.Context(), keysOf(all[:1])))
				f.endpointsOfLetters(b)
			}
			check.Must(f, f.node.ReleaseDeadLetters(f.Context(), "a", all))
			f.endpointsOfLetters(b)
			equal(f, "number", f.summarized().DeadLetters, 1)
		}},
	}
}

func deadLetterBoundCases() []testCase {
	const a, b = "http://a.example/", "http://b.example/"
	return []testCase{
		{"a letter is kept for 7 days, retries or not", timed, func(f *fixture) {
			all := f.undelivered(a)
			f.later(7*day - time.Hour)
			f.claimLetters("a", time.Minute, all, counting.DeadLetterClaimed)
			check.Must(f, f.node.ReleaseDeadLetters(f.Context(), "a", all))
			f.endpointsOfLetters(a)
			f.elapse(2 * time.Hour)
			f.endpointsOfLetters() // also before a heartbeat deletes it
			f.heartbeat()
			equal(f, "number", f.summarized().DeadLetters, 0)
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 0)
		}},
		{"of more than the most letters the oldest are deleted and counted", open, func(f *fixture) {
			now := f.heartbeat().Now
			f.addLetters(someLetters(now.Add(-time.Hour), counting.MaxDeadLetters))
			f.heartbeat()
			equal(f, "number", f.summarized().DeadLetters, counting.MaxDeadLetters)
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 0)
			token := f.published(100, 7)
			f.advance(100, token, counting.SaveDelivery(a, failedDelivery()))
			f.advance(100, token, counting.SaveDelivery(b, failedDelivery()))
			equal(f, "number", f.summarized().DeadLetters, counting.MaxDeadLetters)
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 2)
			equal(f, "oldest letter", f.letters()[0].Endpoint, "http://a.example/2")
			newest := check.Value(f.node.ListDeadLetters(f.Context(), counting.DeadLettersFrom(now), 9))(f)
			equal(f, "newest letters", len(newest), 2)
		}},
		{"of letters whose endpoints have more than the most bytes the oldest are deleted and counted", open, func(f *fixture) {
			now := f.heartbeat().Now
			const long = 2000
			all := someLetters(now.Add(-time.Hour), counting.MaxDeadLetterBytes/long)
			for i := range all {
				all[i].Endpoint += "/" + strings.Repeat("x", long-1-len(all[i].Endpoint))
			}
			f.addLetters(all)
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 0)
			// A claim and a release change no bytes, and what is forgotten makes room.
			f.claimLetters("a", f.lease(), all[:2], counting.DeadLetterClaimed, counting.DeadLetterClaimed)
			check.Must(f, f.node.ReleaseDeadLetters(f.Context(), "a", all[:2]))
			check.Must(f, f.node.ForgetDeadLetters(f.Context(), keysOf(all[2:3])))
			f.addLetters(all[2:3])
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 0)
			equalSlices(f, "oldest letters", f.letters()[:3], all[:3])
			token := f.published(100, 7)
			f.advance(100, token, counting.SaveDelivery(strings.Repeat("y", counting.MaxDeadLetterBytes%long+1), failedDelivery()))
			equal(f, "dropped letters", f.summarized().DroppedDeadLetters, 1)
			equal(f, "number", f.summarized().DeadLetters, len(all))
			equal(f, "oldest letter", f.letters()[0], all[1])
		}},
	}
}
