package redisnode_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// keepsHours is the setting of these tests.
func keepsHours() counting.HistorySetting {
	return counting.HistorySetting{Unit: time.Hour, SmallDays: 3, Days: 6}
}

// keeping begins the history of a node, some days ago.
func keeping(t testing.TB, n counting.Histories, days int) counting.HistoryState {
	t.Helper()
	s := check.Value(n.KeepHistory(t.Context(), keepsHours(), time.Now().AddDate(0, 0, -days), false, conformance.AnyTime()))(t)
	check.Equal(t, s.Setting, keepsHours(), "setting")
	return s
}

// compactAll compacts a whole node.
func compactAll(t testing.TB, n counting.Histories) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = check.Value(n.Compact(t.Context(), conformance.AnyTime(), cursor))(t)
	}
}

// placed is a batch of one visit to each of some arcs.
func placed(seq int64, arcs ...counting.Arc) *counting.Batch {
	b := &counting.Batch{Epoch: 1, Session: "session", Seq: seq, KeyLimit: 10, Clock: conformance.AnyTime()}
	for _, arc := range arcs {
		b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: page(int(arc)), Count: 1})
	}
	return b
}

// Compaction by the script is that of the domain.
func TestHistoriesAreCompactedAsTheDomainDoes(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	keeping(t, n, 5)
	restore := placed(1)
	restore.SetCounts = []counting.SetCount{{Arc: 8, Page: "restored", Count: 1, History: counting.Restored(time.Now())}}
	check.Value(n.Apply(t.Context(), restore))(t)
	state := check.Value(n.KeepHistory(t.Context(), keepsHours(), time.Time{}, false, conformance.AnyTime()))(t)
	check.Equal(t, state.Floor.IsZero(), false, "without a floor")
	client := n.server.Client()
	defer func() { _ = client.Close() }()
	now := time.Now()
	want := make(map[counting.Page]counting.Packed)
	t.Logf("seeded with %d", now.Unix())
	r := rand.New(rand.NewPCG(1, uint64(now.Unix())))
	for i := range 400 {
		p := randomHistory(r, now)
		check.Must(t, client.HSet(t.Context(), "ff:hp:9", string(page(i)), string(p)).Err())
		if compacted, err := p.Compact(state, now); err != nil || compacted != "" {
			want[page(i)] = compacted // p itself if it is corrupt
		}
	}
	check.Must(t, client.HSet(t.Context(), "ff:hp:9", "", "0,").Err())
	compactAll(t, n)
	if time.Now().UTC().Day() != now.UTC().Day() {
		t.Skip("midnight has passed")
	}
	got := check.Value(client.HGetAll(t.Context(), "ff:hp:9").Result())(t)
	delete(got, "")
	check.Equal(t, len(got), len(want), "pages with a history")
	for page, p := range want {
		check.Equal(t, got[string(page)], string(p), "packed history of %s", page)
	}
}

// randomHistory has entries of all kinds, ages and sizes. A few are corrupt.
func randomHistory(r *rand.Rand, now time.Time) (p counting.Packed) {
	quarters := counting.HistorySetting{Unit: 15 * time.Minute}
	for range r.IntN(40) {
		at := now.Add(-time.Duration(r.IntN(8*24*60)) * time.Minute)
		u := []counting.Unit{quarters.UnitAt(at), keepsHours().UnitAt(at), keepsHours().UnitAt(at), counting.DayUnit(at)}[r.IntN(4)]
		if r.IntN(60) == 0 {
			u = counting.ResetAt(keepsHours().UnitAt(at))
		}
		if r.IntN(60) == 0 {
			p += counting.Restored(at)
		}
		p = p.Append(counting.Bucket{Unit: u, Visits: r.Int64N(1<<[]int{3, 10, 52, 53, 62}[r.IntN(5)]) + 1})
	}
	switch r.IntN(30) {
	case 0:
		return p + "x"
	case 1:
		return p + "\x40\x00\x00\x01x" + p
	}
	return p
}

// What can't be a bucket refuses no visit.
func TestAVisitIsCountedWhereItCanNotBePlaced(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedisWithClock(t))
	n.server.Clock.Stop(t, 0)
	keeping(t, n, 1)
	r := check.Value(n.Apply(t.Context(), placed(1, 1)))(t)
	n.do(t, "set", fmt.Sprintf("ff:h:%d:1", keepsHours().UnitAt(r.At)), "x")
	n.do(t, "set", "ff:hp:2", "x")
	for seq := range int64(2) {
		r := check.Value(n.Apply(t.Context(), placed(seq+2, 1, 2, 3)))(t)
		check.Equal(t, len(r.Refused), 0, "refused")
	}
	for _, arc := range []counting.Arc{1, 2, 3} {
		h := check.Value(n.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Arc: arc, Page: page(int(arc))}))(t)
		check.Equal(t, h.Visits, map[counting.Arc]int64{1: 3, 2: 2, 3: 2}[arc], "visits")
		if arc == 3 {
			check.Equal(t, check.Value(h.Buckets())(t)[0].Visits, 2, "visits in the bucket")
		} else {
			check.Is(t, h.Err, counting.Corrupt)
		}
	}
	compactAll(t, n)
	check.Equal(t, len(n.keys(t, "ff:h:*:2")), 0, "buckets of an arc without a list")
}

// An arc with many pages is packed in parts.
func TestManyPagesArePackedInParts(t *testing.T) {
	t.Parallel()
	const pages = 5000
	n := joined(t, servers.StartRedisWithClock(t))
	keeping(t, n, 1)
	for seq := range int64(10) {
		b := placed(seq + 1)
		for i := range pages / 10 {
			b.Visits = append(b.Visits, counting.Visit{Arc: 1, Page: counting.Page(fmt.Sprint(seq, "/", i)), Count: 1 + seq})
		}
		check.Value(n.Apply(t.Context(), b))(t)
	}
	n.server.Clock.Shift(t, 26*time.Hour)
	calls := 0
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = check.Value(n.Compact(t.Context(), conformance.AnyTime(), cursor))(t)
		if calls++; calls > 1000 {
			t.Fatal("it does not end")
		}
	}
	check.Equal(t, calls > 8, true, "is it divided into more than 8 calls")
	check.Equal(t, len(n.keys(t, "ff:h:*")), 0, "buckets that are left")
	client := n.server.Client()
	defer func() { _ = client.Close() }()
	all := check.Value(client.HGetAll(t.Context(), "ff:hp:1").Result())(t)
	delete(all, "")
	check.Equal(t, len(all), pages, "packed histories")
	for page, packed := range all {
		buckets := check.Value(counting.Packed(packed).Buckets())(t)
		check.Equal(t, len(buckets), 1, "buckets of %s", page)
		check.Equal(t, fmt.Sprint(buckets[0].Visits-1), page[:1], "visits of %s, less 1", page)
	}
}

// What an import brings on a day on which the arc was compacted is compacted, too.
func TestWhatIsImportedIsCompactedOnTheSameDay(t *testing.T) {
	t.Parallel()
	m := atDestination(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open)
	state := keeping(t, m, 6)
	bucket := counting.Bucket{Unit: keepsHours().UnitAt(time.Now().AddDate(0, 0, -5)), Visits: 1}
	packed := counting.Packed("").Append(bucket).Append(bucket)
	want := check.Value(packed.Compact(state, time.Now()))(t)
	for _, page := range m.pages() {
		c := counting.Chunk{Pages: []counting.Visit{page}, Histories: []counting.Packed{packed}, Since: state.Since}
		check.Value(m.Import(t.Context(), m.after.Table(), m.arc, c))(t)
		compactAll(t, m)
		h := check.Value(m.ReadHistory(t.Context(), counting.Expected{Epoch: m.after.Epoch()}, counting.Located{Arc: m.arc, Page: page.Page}))(t)
		check.Equal(t, string(h.History), string(want), "history of %s", page.Page)
	}
}

// P3: what can't be read of a history is fetched as one that can't be, and nothing else is.
func TestAHistoryThatCanNotBeReadIsFetchedAsOne(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(m moving, unit counting.Unit) (command []any, corrupt string){
		"a bucket": func(m moving, unit counting.Unit) ([]any, string) {
			return []any{"hset", fmt.Sprintf("ff:h:%d:%d", unit, m.arc), "a", "x"}, "a"
		},
		"all of a unit": func(m moving, unit counting.Unit) ([]any, string) {
			return []any{"set", fmt.Sprintf("ff:h:%d:%d", unit, m.arc), "x"}, "ab"
		},
		"all that is packed": func(m moving, _ counting.Unit) ([]any, string) {
			return []any{"set", fmt.Sprintf("ff:hp:%d", m.arc), "x"}, "ab"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := atSource(t, servers.StartRedis(t))
			keeping(t, m, 1)
			b := placed(1)
			b.Visits = m.pages()
			unit := keepsHours().UnitAt(check.Value(m.Apply(t.Context(), b))(t).At)
			command, want := spoil(m, unit)
			m.node.do(t, command...)
			m.do(t, moving.fence, moving.open, moving.claim)
			c, _, err := m.Fetch(t.Context(), m.after.Table(), m.arc, "")
			check.Must(t, err)
			check.Equal(t, len(c.Histories), 2, "histories")
			for i, page := range c.Pages {
				more := counting.Bucket{Unit: unit + 1, Visits: 7} // that the destination has, or gets
				for _, p := range []counting.Packed{c.Histories[i].Append(more), counting.Packed("").Append(more) + c.Histories[i]} {
					buckets, err := p.Buckets()
					if strings.Contains(want, string(page.Page)) {
						check.Is(t, err, counting.Corrupt)
						continue
					}
					check.Must(t, err)
					check.Equal(t, fmt.Sprint(buckets), fmt.Sprint([]counting.Bucket{{Unit: unit, Visits: 2}, more}), "buckets of %s", page.Page)
				}
			}
		})
	}
}

// A sweep leaves no bucket of an arc that the node does not need.
func TestASweepDeletesBuckets(t *testing.T) {
	t.Parallel()
	m := atSource(t, servers.StartRedis(t))
	keeping(t, m, 1)
	check.Value(m.Apply(t.Context(), placed(1, m.arc)))(t)
	m.do(t, moving.fence, moving.open)
	check.Equal(t, len(m.keys(t, "ff:h*")), 2, "keys of histories")
	m.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{m.arc}})
	check.Equal(t, len(m.keys(t, "ff:h*")), 2, "keys of histories of an arc that is needed")
	m.sweep(t, counting.SweepPolicy{})
	check.Equal(t, len(m.keys(t, "ff:h*")), 0, "keys of histories of an arc that is not")
}

// History begins when no instance of a version without it has sent a batch for 10 minutes.
func TestHistoryBeginsWhenOlderInstancesHaveLeft(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedisWithClock(t))
	mark := func(session string, age time.Duration, rest string) {
		n.do(t, "hset", "ff:Q", session, fmt.Sprintf("7 %d %s", time.Now().Add(-age).Unix(), rest))
	}
	begins := func(want bool) {
		t.Helper()
		s := check.Value(n.KeepHistory(t.Context(), keepsHours(), time.Time{}, false, conformance.AnyTime()))(t)
		check.Equal(t, s.Setting != counting.HistorySetting{}, want, "does it keep history")
	}
	mark("new", 0, "h0 3:1")
	mark("long ago", 11*time.Minute, "3:1")
	for _, rest := range []string{"", "3:1"} {
		mark("older", 9*time.Minute, rest)
		begins(false)
	}
	n.server.Clock.Shift(t, 2*time.Minute)
	begins(true)
	client := n.server.Client()
	defer func() { _ = client.Close() }()
	check.Equal(t, check.Value(client.HGet(t.Context(), "ff:T", "format").Result())(t), "2", "format")
	check.Value(n.KeepHistory(t.Context(), counting.HistorySetting{}, time.Time{}, true, conformance.AnyTime()))(t)
	check.Equal(t, check.Value(client.HGet(t.Context(), "ff:T", "format").Result())(t), "1", "format without history")
}

// X10: what a failover left behind of an arc's history refuses what needs it, and is whole when
// it is back.
func TestX10HistoryThatAFailoverLeftBehindIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	const arc = 7
	for _, left := range []string{"bucket", "packed"} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			e := emptyClusters{test: t, free: make(chan *servers.Cluster, 1)}
			p := e.open(t)
			r := check.Value(sharding.New("deployment", 7, counting.WindowLength(time.Hour), "first",
				[]sharding.Member{{ID: p.ID(), Addr: p.Addr(), Weight: 1}}))(t)
			check.Value(p.Fence(t.Context(), r))(t)
			check.Must(t, p.Open(t.Context(), r))
			keeping(t, p, 1)
			first := check.Value(p.Apply(t.Context(), placed(1, arc, arc+1)))(t)
			key := p.key("h:%d:%d", keepsHours().UnitAt(first.At), arc)
			if left == "packed" {
				key = p.key("hp:%d", arc)
				p.cluster.Servers[0].Clock.Stop(t, time.Hour) // another bucket has to be listed
			}
			client := p.cluster.Client()
			value := check.Value(client.Dump(t.Context(), key).Result())(t)
			p.do(t, "del", key)

			b := placed(2, arc, arc+1)
			b.Keyed = []counting.KeyedVisit{{Visit: counting.Visit{Arc: arc, Page: "keyed", Count: 1}}}
			b.SetCounts = []counting.SetCount{{Arc: arc, Page: "set", Count: 5}}
			check.Equal(t, fmt.Sprint(check.Value(p.Apply(t.Context(), b))(t).Refused), fmt.Sprint([]counting.Refusal{
				{Item: 0, Reason: counting.Missing}, {Item: 2, Reason: counting.Missing}, {Item: 3, Reason: counting.Missing},
			}), "refused")
			at := counting.Located{Arc: arc, Page: page(arc)}
			check.Is(t, check.Value(p.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, at))(t).Err, counting.Missing)
			p.cluster.Servers[0].Clock.Stop(t, 30*time.Hour)
			compactAll(t, p)
			check.Is(t, check.Value(p.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, at))(t).Err, counting.Missing)
			check.Equal(t, check.Value(client.Exists(t.Context(), key).Result())(t), 0, "keys that were made again")

			check.Must(t, client.Restore(t.Context(), key, 0, value).Err())
			compactAll(t, p)
			b.Seq, b.SetCounts = 3, nil
			check.Equal(t, len(check.Value(p.Apply(t.Context(), b))(t).Refused), 0, "refused")
			for _, page := range []counting.Page{page(arc), "keyed"} {
				h := check.Value(p.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Arc: arc, Page: page}))(t)
				sum := int64(0)
				for _, bucket := range check.Value(h.Buckets())(t) {
					sum += bucket.Visits
				}
				check.Is(t, h.Err, nil)
				check.Equal(t, sum, h.Visits, "visits in the buckets of %s", page)
				check.Equal(t, h.Visits, map[counting.Page]int64{"keyed": 1, "page/7": 2}[page], "visits of %s", page)
			}
		})
	}
}
