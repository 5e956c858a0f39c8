package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func importEntryCases() []testCase {
	return []testCase{
		{"imported entries are stored with their deliveries", moving, func(f *fixture) {
			all := []counting.FullEntry{
				done(100, 7),
				{Entry: counting.Entry{Window: 103, State: counting.Lost}},
				{Entry: counting.Entry{Window: 101, State: counting.Published, Count: 0, Sink: "log"}},
				{Entry: counting.Entry{Window: 102, State: counting.Sealed, Count: 1<<53 - 1}},
			}
			f.importing(all...)
			for _, e := range all {
				f.fullEntry(e)
			}
			f.newest(10, 103, 102, 101, 100)
			for _, w := range []counting.Window{100, 103} {
				token, e := f.claimed(w, "a", f.lease())
				equal(f, "token of a window that is over", token, "")
				equal(f, "its window", e.Window, w)
			}
			f.advance(102, f.claim(102, "a"), counting.Publish("queue"))
			f.entry(102, counting.Entry{State: counting.Published, Count: 1<<53 - 1, Sink: "queue"})
		}},
		{"an entry that is not open stays as it is", moving, func(f *fixture) {
			f.importing(done(100, 7))
			token := f.claim(101, "a")
			f.advance(101, token, counting.Record(9))
			other := done(100, 8)
			other.ByEndpoint = map[string]counting.Delivery{"http://c.example/": {Attempts: 1}}
			f.importEntries(other, done(101, 8), done(102, 8))
			f.fullEntry(done(100, 7))
			f.fullEntry(counting.FullEntry{Entry: counting.Entry{Window: 101, State: counting.Sealed, Count: 9}})
			f.fullEntry(done(102, 8))
			f.advance(101, token, counting.Renew(f.lease()))
		}},
		{"a copy is replaced by an entry that is further", moving, func(f *fixture) {
			published := counting.Entry{Window: 100, State: counting.Published, Count: 7, Sink: "queue"}
			f.importing(counting.FullEntry{Entry: counting.Entry{Window: 100, State: counting.Sealed, Count: 7}})
			f.importEntries(counting.FullEntry{Entry: published})
			f.entry(100, published)
			f.importEntries(counting.FullEntry{Entry: counting.Entry{Window: 100, State: counting.Sealed, Count: 7}})
			f.entry(100, published)
			f.importEntries(done(100, 7))
			f.fullEntry(done(100, 7))
			f.importEntries(counting.FullEntry{Entry: published})
			f.fullEntry(done(100, 7))
			lost := counting.FullEntry{Entry: counting.Entry{Window: 101, State: counting.Lost}}
			f.importEntries(lost, done(101, 0))
			f.fullEntry(lost)
		}},
		{"an open entry is replaced, its claim is not", moving, func(f *fixture) {
			f.importing()
			token := f.claim(100, "a")
			f.importEntries(done(100, 7))
			f.fullEntry(done(100, 7))
			equal(f, "recorded count", f.advance(100, token, counting.Record(9)).Count, 7)
			f.refuseStep(100, "x", counting.Renew(f.lease()), counting.ErrStaleToken)
			f.newest(10, 100)
		}},
		{"open and damaged entries are skipped", moving, func(f *fixture) {
			f.importing()
			token := f.claim(101, "a")
			open := counting.Entry{Window: 100, State: counting.Open}
			damaged := counting.Entry{Window: 101, State: counting.Damaged}
			f.importEntries(counting.FullEntry{Entry: open}, counting.FullEntry{Entry: damaged}, done(102, 7))
			f.entry(100, counting.Entry{State: counting.Open})
			f.entry(101, counting.Entry{State: counting.Open})
			f.newest(10, 102, 101)
			f.advance(101, token, counting.Renew(f.lease()))
		}},
		{"an entry is not imported over a corrupt one", moving, func(f *fixture) {
			f.importing()
			f.corruptEntry(100)
			err := f.moves().ImportEntries(f.Context(), f.ring.Table(), []counting.FullEntry{done(100, 7)})
			mustBe(f, err, counting.Corrupt)
			f.importEntries(done(101, 7))
			f.fullEntry(done(101, 7))
		}},
		{"imported entries are kept for 7 days, their deliveries for 10 minutes", moving, func(f *fixture) {
			f.importing(done(100, 7))
			f.later(9 * time.Minute)
			f.importEntries(done(100, 7)) // a repetition starts no time again
			f.fullEntry(done(100, 7))
			f.later(2 * time.Minute)
			f.deliveries(100, nil)
			f.entry(100, done(100, 7).Entry)
			f.later(7*day - 12*time.Minute)
			f.newest(10, 100)
			f.later(2 * time.Minute)
			f.newest(10)
			f.entry(100, counting.Entry{State: counting.Open})
		}},
		{"imported entries survive a restart", moving, func(f *fixture) {
			f.importing(done(100, 7))
			f.reopen()
			f.fullEntry(done(100, 7))
		}},
	}
}

func done(w counting.Window, count int64) counting.FullEntry {
	return counting.FullEntry{
		Entry: counting.Entry{
			Window: w, State: counting.Done, Count: count, Sink: "queue",
			Deliveries: counting.DeliveryTotals{Endpoints: 3, Delivered: 1, Failed: 2},
		},
		ByEndpoint: map[string]counting.Delivery{
			"http://a.example/": {Attempts: 1, Status: 204, Final: true},
			"http://b.example/": {Attempts: 3, Status: 500, Final: true},
		},
	}
}

// importing opens a node and imports entries.
func (f *fixture) importing(entries ...counting.FullEntry) {
	f.Helper()
	f.open()
	f.importEntries(entries...)
}

func (f *fixture) importEntries(entries ...counting.FullEntry) {
	f.Helper()
	check.Must(f, f.moves().ImportEntries(f.Context(), f.ring.Table(), entries))
}

func (f *fixture) fullEntry(want counting.FullEntry) {
	f.Helper()
	f.entry(want.Window, want.Entry)
	f.deliveries(want.Window, want.ByEndpoint)
}
