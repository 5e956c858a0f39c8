package localnode_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
)

const day = 24 * time.Hour

func hours() counting.HistorySetting {
	return counting.HistorySetting{Unit: time.Hour, SmallDays: 32, Days: 400}
}

// keepHistory begins the history of a node, or changes it.
func keepHistory(t testing.TB, n counting.Histories, s counting.HistorySetting) {
	t.Helper()
	check.Equal(t, check.Value(n.KeepHistory(t.Context(), s, time.Time{}, true, conformance.AnyTime()))(t).Setting, s, "the setting")
}

// buckets are those of a page.
func buckets(t *testing.T, n counting.Histories, page counting.Page) map[counting.Unit]int64 {
	t.Helper()
	h := check.Value(n.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Page: page}))(t)
	check.Must(t, h.Err)
	all := make(map[counting.Unit]int64)
	for _, b := range check.Value(h.Buckets())(t) {
		all[b.Unit] = b.Visits
	}
	return all
}

func compact(t testing.TB, n counting.Histories) (calls int) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = check.Value(n.Compact(t.Context(), conformance.AnyTime(), cursor))(t)
		calls++
	}
	return calls
}

// inFile calls look with the file of a node, which is stopped for it.
func inFile(t *testing.T, n *localnode.File, dir string, look func(tx *bolt.Tx)) {
	t.Helper()
	stop(t, n)
	db := check.Value(bolt.Open(filepath.Join(dir, "footfall.db"), 0o600, nil))(t)
	check.Must(t, db.View(func(tx *bolt.Tx) error { look(tx); return nil }))
	check.Must(t, db.Close())
	check.Must(t, n.Start(t.Context()))
}

// A program of an earlier version would count without placing. It refuses format 2.
func TestFileHasFormatTwoAsLongAsItHasAHistory(t *testing.T) {
	o := localnode.FileOptions{Dir: t.TempDir()}
	n := start(t, o)
	enter(t, n)
	apply(t, n, batch(1))
	formatIs := func(want string, tables bool) {
		t.Helper()
		inFile(t, n, o.Dir, func(tx *bolt.Tx) {
			check.Equal(t, string(tx.Bucket([]byte("meta")).Get([]byte("format"))), want, "the format")
			check.Equal(t, tx.Bucket([]byte("open")) != nil, tables, "there are open buckets")
			check.Equal(t, tx.Bucket([]byte("packed")) != nil, tables, "there are packed histories")
			check.Equal(t, len(tx.Bucket([]byte("sessions")).Get([]byte("a"))) == 24, tables, "the session says when it was placed")
		})
	}
	formatIs("1", false)
	for seq := int64(2); seq < 6; seq += 2 {
		keepHistory(t, n, hours())
		apply(t, n, batch(seq))
		formatIs("2", true)
		check.Equal(t, len(buckets(t, n, "home")), 1, "buckets")
		keepHistory(t, n, counting.HistorySetting{})
		formatIs("1", false)
		apply(t, n, batch(seq+1))
		formatIs("1", false)
	}
	check.Equal(t, visits(t, n), 5, "visits")
}

func TestFileOfAnEarlierVersionBeginsAHistory(t *testing.T) {
	n, c := openFixture(t)
	last := &counting.Batch{Epoch: 1, Session: "new", Seq: 1, Visits: []counting.Visit{{Page: "home", Count: 1}}, Clock: conformance.AnyTime()}
	apply(t, n, last)
	keepHistory(t, n, hours())
	check.Equal(t, len(buckets(t, n, "home")), 0, "buckets of what was counted before")
	if r, err := n.Apply(t.Context(), last); err != nil || !r.Duplicate || !r.At.IsZero() {
		t.Errorf("got %+v and the error %v, want a duplicate that was not placed", r, err)
	}
	last.Seq++
	apply(t, n, last)
	check.Equal(t, buckets(t, n, "home")[hours().UnitAt(c.Now())], 1, "visits of this hour")
	check.Equal(t, visits(t, n), 9, "visits, of which the file had 7")
}

func TestABucketThatIsNoNumberIsCorruptUntilThePageIsSet(t *testing.T) {
	c := newClock()
	n := start(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	enter(t, n)
	keepHistory(t, n, hours())
	apply(t, n, batch(1))
	other := batch(2)
	other.Visits[0].Page = "other"
	apply(t, n, other)
	check.Must(t, n.SpoilBucket(hours().UnitAt(c.Now()), "home"))
	corrupt := func() {
		t.Helper()
		h := check.Value(n.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Page: "home"}))(t)
		check.Is(t, check.Err(h.Buckets()), counting.Corrupt)
	}
	corrupt()
	apply(t, n, batch(3))
	c.Elapse(5 * time.Hour)
	compact(t, n)
	corrupt()
	check.Equal(t, visits(t, n), 2, "visits")
	check.Equal(t, len(buckets(t, n, "other")), 1, "buckets of another page")
	apply(t, n, &counting.Batch{Epoch: 1, Session: "a", Seq: 4, SetCounts: []counting.SetCount{{Page: "home", Count: 7}}})
	check.Equal(t, len(buckets(t, n, "home")), 0, "buckets of the page that was set")
}

func TestAHistoryThatCanNotBeReadStopsTheNode(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	keepHistory(t, n, hours())
	check.Must(t, n.SpoilSetting())
	for name, err := range map[string]error{
		"apply": check.Err(n.Apply(t.Context(), batch(1))), "compact": check.Err(n.Compact(t.Context(), conformance.AnyTime(), "")),
		"read": check.Err(n.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Page: "home"})),
	} {
		check.Is(t, err, counting.ErrNotApplied, name)
	}
}

// visited is a node whose pages were visited in each hour of a day, which ended an hour ago.
func visited(t *testing.T, pages int) (*localnode.File, *clock) {
	t.Helper()
	c := newClock()
	n := start(t, localnode.FileOptions{Dir: t.TempDir(), Now: c.Now})
	enter(t, n)
	keepHistory(t, n, hours())
	for seq := range int64(24) {
		b := &counting.Batch{Epoch: 1, Session: "a", Seq: seq + 1, Clock: conformance.AnyTime()}
		for i := range pages {
			b.Visits = append(b.Visits, counting.Visit{Page: counting.Page(fmt.Sprintf("page/%d", i)), Count: seq + 1})
		}
		apply(t, n, b)
		c.Elapse(time.Hour)
	}
	c.Elapse(time.Hour)
	return n, c
}

// A call of a compaction is short, whatever the store has.
func TestACompactionTakesManyCalls(t *testing.T) {
	const pages, units = 300, 24
	n, c := visited(t, pages)
	apply(t, n, batch(units+1))
	if calls := compact(t, n); calls < pages*units/1000 {
		t.Errorf("%d buckets were packed by %d calls", pages*units, calls)
	}
	for i := range pages {
		got := buckets(t, n, counting.Page(fmt.Sprintf("page/%d", i)))
		check.Equal(t, len(got), units, "buckets")
		check.Equal(t, got[hours().UnitAt(c.Now().Add(-25*time.Hour))], 1, "visits of the first hour")
	}
	check.Equal(t, check.Value(n.StoredHistory())(t), [2]int{1, pages}, "open buckets and packed histories")
	c.Elapse(time.Duration(hours().Days+1) * day)
	compact(t, n)
	check.Equal(t, check.Value(n.StoredHistory())(t), [2]int{}, "what has expired")
}

// A file that is full has room for what its last transactions have freed.
func TestHistoryIsDroppedWhereThereIsLittleRoom(t *testing.T) {
	n, c := visited(t, 300)
	compact(t, n)
	n.HasRoomFor(20)
	for range 2 {
		since := check.Value(n.KeepHistory(t.Context(), hours(), time.Time{}, false, conformance.AnyTime()))(t).Since
		for cursor, more := "", true; more; more = cursor != "" {
			cursor = check.Value(n.DropHistory(t.Context(), conformance.AnyTime(), cursor))(t)
		}
		began := check.Value(n.KeepHistory(t.Context(), hours(), time.Time{}, false, conformance.AnyTime()))(t).Since
		if !began.After(since) || began.After(c.Now()) {
			t.Fatalf("history begins at %v, before at %v", began, since)
		}
		want := hours().UnitAt(c.Now().Add(-2*time.Hour)) - hours().UnitAt(began) + 1
		check.Equal(t, len(buckets(t, n, "page/299")), int(want), "hours from %v on", began)
	}
	n.HasRoomFor(0)
	check.Fails(t, check.Err(n.DropHistory(t.Context(), conformance.AnyTime(), "")), "history was dropped without room")
}
