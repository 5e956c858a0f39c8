package conformance

import (
	"fmt"

	"footfall/domain/counting"
	"footfall/test/check"
)

func moveKeyCases() []testCase {
	return []testCase{
		{"keys of a leaving arc are found, and fetched once it is claimed, until it is retired", moving, func(f *fixture) {
			for _, n := range []int{1, 700} {
				arc, keys := f.keySource(n)
				has := counting.KeyLookup{Stored: true, Print: keys[0].Print}
				f.notFrozen(arc)
				f.findKey(arc, keys[0], has)
				f.findKey(arc+1, keys[0], counting.KeyLookup{})
				f.claimArc(arc, frozen(1))
				f.findKey(arc, keys[0], has)
				f.fetchKeys(arc, keys)
				f.fetchKeys(arc, keys)
				check.Must(f, f.retireArc(arc, 1))
				f.notFrozen(arc)
				f.findKey(arc, keys[0], counting.KeyLookup{})
				f.apply(f.limited(1, f.keyed("new", "home", 1))) // deleted keys don't count
			}
		}},
		{"an arc with keys alone is not released immediately", moving, func(f *fixture) {
			f.open()
			next := f.next("second")
			arc := next.Moves()[0].Arc
			f.apply(f.keyBatch(keyed(requestKey("a"), counting.Visit{Arc: arc, Page: "page"})))
			f.openRing(next)
			for range 2 {
				f.claimArc(arc, frozen(0))
			}
			f.fetchPages(arc, nil)
			f.fetchKeys(arc, []counting.RequestKey{requestKey("a")})
			check.Must(f, f.retireArc(arc, 0))
			f.claimArc(arc, released(0))
		}},
		{"imported keys are known", moving, func(f *fixture) {
			arc := f.destination()
			f.importKeys(arc, false)
			for range 2 {
				f.importKeys(arc, false, f.storedKey(requestKey("a")), f.storedKey(requestKey("b")))
			}
			v := counting.Visit{Arc: arc, Page: "page", Count: 1}
			f.apply(f.keyBatch(keyed(requestKey("a"), v), keyed(otherPayload(requestKey("b")), v), keyed(requestKey("c"), v)),
				refusal(1, counting.KeyReused))
			f.tallies([]counting.Visit{v})
			f.importKeys(arc, false, f.storedKey(otherPayload(requestKey("c")))) // a known one stays as it is
			f.apply(f.keyBatch(keyed(requestKey("c"), v)))
			f.tallies([]counting.Visit{v})
			check.Must(f, f.closeArc(arc, 0))
			f.importKeys(arc, true, f.storedKey(requestKey("d")))
			f.apply(f.keyBatch(keyed(requestKey("a"), v), keyed(requestKey("d"), v)))
			v.Count = 2
			f.tallies([]counting.Visit{v})
		}},
		{"imported keys exceed the limit of records and count for it", moving, func(f *fixture) {
			arc := f.destination()
			v := counting.Visit{Arc: arc, Page: "page"}
			apply := func(name string, limit int, want ...counting.Refusal) {
				f.Helper()
				b := f.keyBatch(keyed(requestKey(name), v))
				b.RecordLimit = limit
				f.apply(b, want...)
			}
			apply("a", 1)
			f.importKeys(arc, false, f.storedKey(requestKey("b")), f.storedKey(requestKey("c")))
			f.keys(1, 3)
			apply("b", 1)
			apply("d", 3, refusal(0, counting.KeyLimit))
			apply("d", 4)
		}},
		{"an arc that is not incoming imports no keys", moving, func(f *fixture) {
			f.destination()
			stays := f.staying()
			f.importKeys(stays, true, f.storedKey(requestKey("a")))
			v := counting.Visit{Arc: stays, Page: "page", Count: 1}
			f.apply(f.keyBatch(keyed(requestKey("a"), v)))
			f.tallies([]counting.Visit{v})
		}},
	}
}

// keySource opens a node with n keys, and as many visits of a page, in an arc
// that the ring moves away from it.
func (f *fixture) keySource(n int) (counting.Arc, []counting.RequestKey) {
	f.Helper()
	f.open()
	next := f.next("second")
	arc := next.Moves()[0].Arc
	var keys []counting.RequestKey
	for i := range n {
		keys = append(keys, requestKey(fmt.Sprint("key ", i)))
		f.apply(f.keyBatch(keyed(keys[i], counting.Visit{Arc: arc, Page: "page", Count: 1})))
	}
	f.openRing(next)
	return arc, keys
}

// fetchKeys checks which keys a claimed arc shows.
func (f *fixture) fetchKeys(arc counting.Arc, want []counting.RequestKey) {
	f.Helper()
	all := make(map[counting.RequestKey]bool)
	last := false
	f.fetch(arc, func(chunk counting.Chunk) {
		if last && len(chunk.Keys) > 0 {
			f.Fatalf("%d keys follow the last ones", len(chunk.Keys))
		}
		if last = last || chunk.LastKeys; !last && len(chunk.Pages) > 0 {
			f.Fatalf("pages come before the last keys")
		}
		for _, k := range chunk.Keys {
			all[k.RequestKey] = true
		}
	})
	equal(f, "all keys came", last, len(want) > 0)
	for _, o := range want {
		if !all[o] {
			f.Fatalf("key %x is not shown", o.Key)
		}
	}
	equal(f, "number of keys", len(all), len(want))
}

func (f *fixture) importKeys(arc counting.Arc, closed bool, keys ...counting.StoredKey) {
	f.Helper()
	equal(f, "closed", check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Keys: keys, LastKeys: len(keys) == 0}))(f).Closed, closed)
}

// storedKey is a key as a source shows it, of today.
func (f *fixture) storedKey(o counting.RequestKey) counting.StoredKey {
	f.Helper()
	at := f.length().Start(f.current())
	return counting.StoredKey{RequestKey: o, Day: counting.DayOf(at)}
}

// findKey checks what the node has of a key.
func (f *fixture) findKey(arc counting.Arc, o counting.RequestKey, want counting.KeyLookup) {
	f.Helper()
	got := check.Value(f.moves().FindKeys(f.Context(), f.ring.Epoch(), []counting.LocatedKey{{Arc: arc, Key: requestKey("unknown").Key}, {Arc: arc, Key: o.Key}}))(f)
	equal(f, "number of answers", len(got), 2)
	equal(f, "an unknown key", got[0], counting.KeyLookup{})
	equal(f, "the key", got[1], want)
}
