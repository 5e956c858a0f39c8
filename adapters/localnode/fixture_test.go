package localnode_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
)

// The fixture is the file of a service of commit c8ae331, with windows of 4 s,
// which took visits, ids and keys, was given counts, and closed windows.
const fixture = "testdata/c8ae331.db.gz"

// fixtureEnd is when that service stopped.
func fixtureEnd() time.Time { return time.Date(2026, 11, 28, 17, 18, 32, 500e6, time.UTC) }

func openFixture(t *testing.T) (*localnode.File, *clock) {
	t.Helper()
	packed := check.Value(os.Open(fixture))(t)
	defer packed.Close()
	r := check.Value(gzip.NewReader(packed))(t)
	content := check.Value(io.ReadAll(r))(t)
	dir, c := t.TempDir(), &clock{now: fixtureEnd()}
	write(t, filepath.Join(dir, "footfall.db"), content)
	return start(t, localnode.FileOptions{Dir: dir, Now: c.Now}), c
}

func TestFileOfAnEarlierVersionHasItsPages(t *testing.T) {
	n, _ := openFixture(t)
	want := map[counting.Page]int64{"home": 7, "keyed": 3, "page 00": 100, "settled": math.MaxInt64, "über uns/ä": 1}
	for i := int64(1); i < 20; i++ {
		want[counting.Page(fmt.Sprintf("page %02d", i))] = i + 1
	}
	s, err := n.RingState(t.Context())
	if err != nil || s.Opened == nil || s.Fenced != s.Opened && s.Fenced.Epoch() != s.Opened.Epoch() || s.Accepted != nil || s.Incoming != 0 {
		t.Fatalf("got the ring %+v and the error %v", s, err)
	}
	if s.Opened.Length() != counting.WindowLength(4*time.Second) || s.Opened.Epoch() != 1 {
		t.Errorf("got windows of %v and epoch %d, want 4s and 1", time.Duration(s.Opened.Length()), s.Opened.Epoch())
	}
	pages, next, err := n.List(t.Context(), counting.Expected{Epoch: 1}, "")
	if err != nil || next != "" {
		t.Fatalf("got the cursor %q and the error %v", next, err)
	}
	got := make(map[counting.Page]int64)
	asked := []counting.Located{{Page: "gone"}}
	for _, p := range pages {
		got[p.Page] = p.Count
		asked = append(asked, counting.Located{Arc: p.Arc, Page: p.Page})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	tallies := check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, asked))(t)
	for i, p := range asked {
		if tallies[i].Err != nil || tallies[i].Visits != want[p.Page] {
			t.Errorf("%s: got %+v, want %d", p.Page, tallies[i], want[p.Page])
		}
	}
}

func TestFileOfAnEarlierVersionHasItsWindows(t *testing.T) {
	n, c := openFixture(t)
	length := counting.WindowLength(4 * time.Second)
	open := length.At(fixtureEnd())
	done := func(w counting.Window, count int64, totals counting.DeliveryTotals) counting.Entry {
		return counting.Entry{Window: w, State: counting.Done, Count: count, Sink: "log", Deliveries: totals}
	}
	want := []counting.Entry{
		done(open-2, 0, counting.DeliveryTotals{}), done(open-3, 2, counting.DeliveryTotals{}),
		done(open-4, 7, counting.DeliveryTotals{Endpoints: 2, Delivered: 1, Failed: 1}), done(open-5, 0, counting.DeliveryTotals{}),
	}
	entries := check.Value(n.Entries(t.Context(), math.MaxInt64, 100))(t)
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	const bad, ok = "http://127.0.0.1:28931/bad", "http://127.0.0.1:28931/ok"
	e, deliveries, err := n.Entry(t.Context(), open-4)
	if err != nil || e != want[2] {
		t.Errorf("got the entry %+v and the error %v", e, err)
	}
	if diff := cmp.Diff(map[string]counting.Delivery{
		ok: {Attempts: 1, Status: 200, Final: true}, bad: {Attempts: 1, Status: 410, Final: true},
	}, deliveries); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	for w, kept := range map[counting.Window]struct {
		ids       int64
		endpoints []string
	}{
		open: {4, []string{"http://127.0.0.1:28931/open"}}, open - 1: {}, open - 2: {}, open - 3: {2, nil}, open - 4: {7, []string{bad, ok}},
	} {
		check.Equal(t, check.Value(n.Distinct(t.Context(), w))(t), kept.ids, "ids of window %d", w)
		if got, err := n.Endpoints(t.Context(), w); err != nil || !slices.Equal(got, kept.endpoints) {
			t.Errorf("window %d: got the endpoints %v and the error %v, want %v", w, got, err, kept.endpoints)
		}
	}
	apply(t, n, &counting.Batch{Epoch: 1, Session: "new", Seq: 1, EndpointLimit: 9, Clock: conformance.AnyTime(), IDEvents: []counting.IDEvent{{ID: -12, Table: 1}, {ID: 99, Table: 1}}})
	c.Elapse(8 * time.Second)
	if a, err := n.Heartbeat(t.Context(), conformance.AnyTime()); err != nil || !slices.Equal(a.Waiting, []counting.Window{open - 1, open}) {
		t.Errorf("got %+v and the error %v, want the windows %d and %d to wait", a, err, open-1, open)
	}
	check.Equal(t, check.Value(n.Seal(t.Context(), open, 0, conformance.AnyTime()))(t), 5, "the 4 ids of the file and a new one")
}

func TestFileOfAnEarlierVersionKnowsWhatWasApplied(t *testing.T) {
	n, _ := openFixture(t)
	stored, err := n.Stored()
	if err != nil || len(stored.Sessions) == 0 || len(stored.Keyed) == 0 {
		t.Fatalf("got %+v and the error %v", stored, err)
	}
	for session, last := range stored.Sessions {
		if r, err := n.Apply(t.Context(), &counting.Batch{Epoch: 1, Session: session, Seq: last.Seq}); err != nil || !r.Duplicate {
			t.Errorf("batch %d: got %+v and the error %v, want a duplicate", last.Seq, r, err)
		}
	}
	if s, err := n.RingSummary(t.Context()); err != nil || s.Keys.Records != len(stored.Keyed) {
		t.Errorf("got %+v and the error %v, want %d keys", s, err, len(stored.Keyed))
	}
	b := &counting.Batch{Epoch: 1, Session: "new", Seq: 1, KeyLimit: 1000}
	for _, k := range stored.Keyed {
		k.Page, k.Count = "home", 1
		b.Keyed = append(b.Keyed, k)
		k.Print[0]++
		b.Keyed = append(b.Keyed, k)
	}
	r, err := n.Apply(t.Context(), b)
	if err != nil || len(r.Refused) != len(stored.Keyed) || r.Refused[0] != (counting.Refusal{Item: 1, Reason: counting.KeyReused}) {
		t.Errorf("got %+v and the error %v, want each reused key to be refused", r, err)
	}
	check.Equal(t, visits(t, n), 7, "the visits of the file")
}
