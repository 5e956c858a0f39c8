package redisnode_test

import (
	"maps"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// What testdata/c8ae331.rdb holds. Version c8ae331 wrote it with windows of two
// seconds. Then every key was made permanent, so that the snapshot does not age.
const (
	storedSession = counting.Session("D3N47K7EGBVK36QCTV27VXJIND")
	storedBatches = 22
	storedClosed  = counting.Window(897943290)
	storedOpen    = counting.Window(897943294)
)

func storedPages() map[counting.Page]int64 {
	return map[counting.Page]int64{"home": 42, "about": 3, "grüß/dich": 7, "paid": 2, "set": 9_000_000_000_000_000_000}
}

func TestStoreOfAnOlderVersionIsReadWhole(t *testing.T) {
	n := open(t, "redis_16999", servers.RestoreRedis(t, "testdata/c8ae331.rdb"))
	s, err := n.RingState(t.Context())
	if err != nil || s.Opened == nil || s.Opened.Epoch() != 1 || s.Opened.Deployment() != "TNR6V4KTWTGTIOCN2MSEFXFA2M" {
		t.Fatalf("got the ring %+v and %v, want that of epoch 1", s.Opened, err)
	}
	storedCounts(t, n, s.Opened)
	storedWindows(t, n)
	storedKeys(t, n, s.Opened)
	// A heartbeat deletes old idempotency keys.
	a, err := n.Heartbeat(t.Context(), conformance.AnyTime())
	if want := []counting.Window{storedOpen - 1, storedOpen}; err != nil || !slices.Equal(a.Waiting, want) {
		t.Errorf("waiting windows: got %v and %v, want %v", a.Waiting, err, want)
	}
	check.Equal(t, check.Value(n.Seal(t.Context(), storedOpen, 0, conformance.AnyTime()))(t), 4, "seal")
}

func storedCounts(t *testing.T, n node, ring *sharding.Ring) {
	t.Helper()
	var at []counting.Located
	for _, page := range append(slices.Sorted(maps.Keys(storedPages())), "gone") {
		at = append(at, counting.Located{Arc: ring.Arc(page), Page: page})
	}
	tallies, err := n.Read(t.Context(), counting.Expected{Epoch: 1}, at)
	check.Must(t, err)
	for i, tally := range tallies {
		if want := storedPages()[at[i].Page]; tally.Err != nil || tally.Visits != want {
			t.Errorf("%s: got %+v, want %d", at[i].Page, tally, want)
		}
	}
	listed := make(map[counting.Page]int64)
	for cursor, more := "", true; more; more = cursor != "" {
		var some []counting.Visit
		if some, cursor, err = n.List(t.Context(), counting.Expected{Epoch: 1}, cursor); err != nil {
			t.Fatal(err)
		}
		for _, v := range some {
			listed[v.Page] = v.Count
		}
	}
	if !maps.Equal(listed, storedPages()) {
		t.Errorf("listed: got %v, want %v", listed, storedPages())
	}
	repeated := counting.Batch{Epoch: 1, Session: storedSession, Seq: storedBatches, Visits: []counting.Visit{{Arc: 1, Page: "twice", Count: 1}}}
	if r, err := n.Apply(t.Context(), &repeated); err != nil || !r.Duplicate {
		t.Errorf("the last batch again: got %+v and %v, want a duplicate", r, err)
	}
}

func storedWindows(t *testing.T, n node) {
	t.Helper()
	for w, want := range map[counting.Window]struct {
		count     int64
		endpoints []string
	}{
		storedClosed: {6, []string{"http://127.0.0.1:16996/ok", "http://127.0.0.1:16996/refuse"}},
		storedOpen:   {4, []string{"http://127.0.0.1:16996/later"}},
	} {
		check.Equal(t, check.Value(n.Distinct(t.Context(), w))(t), want.count, "ids of window %d", w)
		endpoints, err := n.Endpoints(t.Context(), w)
		slices.Sort(endpoints)
		if err != nil || !slices.Equal(endpoints, want.endpoints) {
			t.Errorf("endpoints of window %d: got %v and %v, want %v", w, endpoints, err, want.endpoints)
		}
	}
	e, deliveries, err := n.Entry(t.Context(), storedClosed)
	wantEntry := counting.Entry{
		Window: storedClosed, State: counting.Done, Count: 6, Sink: "log",
		Deliveries: counting.DeliveryTotals{Endpoints: 2, Delivered: 1, Failed: 1},
	}
	wantDeliveries := map[string]counting.Delivery{
		"http://127.0.0.1:16996/ok":     {Attempts: 1, Status: 204, Final: true},
		"http://127.0.0.1:16996/refuse": {Attempts: 1, Status: 410, Final: true},
	}
	if err != nil || e != wantEntry || !maps.Equal(deliveries, wantDeliveries) {
		t.Errorf("got the entry %+v with %v and %v, want %+v with %v", e, deliveries, err, wantEntry, wantDeliveries)
	}
	all, err := n.Entries(t.Context(), storedOpen, 100)
	if err != nil || len(all) != 4 || !slices.Contains(all, wantEntry) {
		t.Errorf("got the entries %v and %v, want four with %v", all, err, wantEntry)
	}
}

// storedKeys freezes the arcs, since keys of days that are over are not found by a
// batch.
func storedKeys(t *testing.T, n node, ring *sharding.Ring) {
	t.Helper()
	arcs := []counting.Arc{3205, 4461, ring.Arc("paid")} // the first two have keys without visits
	check.Value(n.ClaimArcs(t.Context(), 1, arcs))(t)
	found := make(map[counting.Key]bool)
	var pages []counting.Visit
	for _, arc := range arcs {
		for cursor, more := "", true; more; more = cursor != "" {
			var some counting.Chunk
			var err error
			if some, cursor, err = n.Fetch(t.Context(), 1, arc, cursor); err != nil {
				t.Fatal(err)
			}
			for _, k := range some.Keys {
				found[k.Key] = true
			}
			pages = append(pages, some.Pages...)
		}
	}
	for _, text := range []string{"order-1", "order-2"} {
		if key, err := counting.ParseKey(text); err != nil || !found[key] {
			t.Errorf("the key %s: not among %d keys (%v)", text, len(found), err)
		}
	}
	check.Equal(t, len(found), 4, "the number of keys")
	if len(pages) != 1 || pages[0].Page != "paid" || pages[0].Count != 2 {
		t.Errorf("got the pages %v, want paid with 2", pages)
	}
}
