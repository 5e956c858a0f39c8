package counting_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/domain/counting"
	"footfall/test/check"
)

func hourAt(t time.Time) counting.Unit { return counting.HistorySetting{Unit: time.Hour}.UnitAt(t) }

func quarterAt(t time.Time) counting.Unit {
	return counting.HistorySetting{Unit: 15 * time.Minute}.UnitAt(t)
}

func sum(buckets []counting.Bucket) (n int64) {
	for _, b := range buckets {
		n += b.Visits
	}
	return n
}

func pack(buckets ...counting.Bucket) (p counting.Packed) {
	for _, b := range buckets {
		p = p.Append(b)
	}
	return p
}

// packedAt is the time of these tests.
func packedAt() time.Time { return time.Date(2026, 11, 29, 13, 52, 0, 0, time.UTC) }

func TestThePackedFormIsStored(t *testing.T) {
	h := counting.Unit(1<<22 | 494_318) // hour 494,318
	got := pack(counting.Bucket{Unit: h, Visits: 120}, counting.Bucket{Unit: counting.ResetAt(h), Visits: 9})
	check.Equal(t, got, "\x47\x8a\xee\x03120\xde\x2b\xb8\x00", "packed history")
	check.Equal(t, h.Start().Format(time.RFC3339), "2026-05-23T14:00:00Z", "start of the hour")
	check.Equal(t, counting.Restored(h.Start().Add(time.Second)), "\xde\x2b\xb8\x0a1779544801", "a page that is restored")
}

func TestBucketsOfOneUnitAddUpInTheOrderOfTheirStarts(t *testing.T) {
	now := packedAt()
	midnight := now.Truncate(24 * time.Hour)
	day, first, hour := counting.DayUnit(now), hourAt(midnight), hourAt(now)
	p := pack(counting.Bucket{Unit: hour, Visits: 1}, counting.Bucket{Unit: day, Visits: 10}, counting.Bucket{Unit: first, Visits: 3},
		counting.Bucket{Unit: day, Visits: 20}, counting.Bucket{Unit: hour, Visits: 4})
	got := check.Value(p.Buckets())(t)
	if want := []counting.Bucket{{Unit: first, Visits: 3}, {Unit: day, Visits: 30}, {Unit: hour, Visits: 5}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAResetIgnoresEarlierUnitsWhereverItStands(t *testing.T) {
	now := packedAt()
	before, at := counting.Bucket{Unit: hourAt(now.Add(-time.Hour)), Visits: 1}, counting.Bucket{Unit: hourAt(now), Visits: 2}
	reset := counting.Bucket{Unit: counting.ResetAt(at.Unit)}
	for _, p := range []counting.Packed{pack(reset, before, at), pack(before, reset, at), pack(before, at, reset)} {
		got := check.Value(p.Buckets())(t)
		if !slices.Equal(got, []counting.Bucket{at}) {
			t.Errorf("got %v, want %v", got, at)
		}
	}
}

func TestWhatIsNoPackedHistoryIsCorrupt(t *testing.T) {
	for _, p := range []counting.Packed{
		"x", "\x40\x00\x00", "\x40\x00\x00\x02" + "1", "\x40\x00\x00\x00", "\x40\x00\x00\x01x", "\x40\x00\x00\x010", "\x40\x00\x00\x02-1",
		"\x40\x00\x00\x1399999999999999999999", pack(counting.Bucket{Unit: 7, Visits: 1}) + "x",
	} {
		check.Is(t, check.Err(p.Buckets()), counting.Corrupt)
		same, err := p.Compact(counting.HistoryState{}, packedAt())
		check.Is(t, err, counting.Corrupt)
		check.Equal(t, same, p, "packed history that can't be compacted")
	}
}

func TestCompactAddsUpDaysAndDropsThem(t *testing.T) {
	now := packedAt()
	s := counting.HistoryState{Setting: counting.HistorySetting{Unit: time.Hour, SmallDays: 2, Days: 4}}
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	var p counting.Packed
	for d := range 7 {
		for _, u := range []counting.Unit{hourAt(ago(d)), hourAt(ago(d).Add(-time.Hour)), quarterAt(ago(d))} {
			p = p.Append(counting.Bucket{Unit: u, Visits: int64(d + 1)})
		}
	}
	got := check.Value(p.Compact(s, now))(t)
	want := []counting.Bucket{{Unit: counting.DayUnit(ago(4)), Visits: 15}, {Unit: counting.DayUnit(ago(3)), Visits: 12}}
	for d := 2; d >= 0; d-- {
		n := int64(d + 1)
		want = append(want, counting.Bucket{Unit: hourAt(ago(d).Add(-time.Hour)), Visits: n}, counting.Bucket{Unit: hourAt(ago(d)), Visits: n},
			counting.Bucket{Unit: quarterAt(ago(d)), Visits: n})
	}
	if buckets := check.Value(got.Buckets())(t); !slices.Equal(buckets, want) {
		t.Errorf("got %v, want %v", buckets, want)
	}
	s.Since = ago(3).Truncate(24 * time.Hour)
	got = check.Value(p.Compact(s, now))(t)
	if buckets := check.Value(got.Buckets())(t); !slices.Equal(buckets, want[1:]) {
		t.Errorf("with a history that began later: got %v, want %v", buckets, want[1:])
	}
}

func TestSumsThatAreNotExactStandApart(t *testing.T) {
	now := packedAt()
	s := counting.HistoryState{Setting: counting.HistorySetting{Unit: time.Hour, SmallDays: 2, Days: 40}}
	old := hourAt(now.AddDate(0, 0, -9))
	for _, c := range []struct {
		visits  []int64
		entries int
	}{
		{[]int64{1 << 52, 1 << 52}, 1},
		{[]int64{1 << 52, 1 << 52, 1}, 2},
		{[]int64{math.MaxInt64 - 1, 1}, 2},
		{[]int64{1 << 62, 1<<62 - 1}, 2},
		{[]int64{1, math.MaxInt64 - 1}, 2},
		{[]int64{1 << 62, 1 << 62}, 2},
	} {
		var p counting.Packed
		for _, n := range c.visits {
			p = p.Append(counting.Bucket{Unit: old, Visits: n})
		}
		before := sum(check.Value(p.Buckets())(t))
		got := check.Value(p.Compact(s, now))(t)
		after := check.Value(got.Buckets())(t)
		check.Equal(t, sum(after), before, "sum of %v", c.visits)
		entries := 0
		for rest := string(got); rest != ""; rest = rest[4+int(rest[3]):] {
			entries++
		}
		check.Equal(t, entries, c.entries, "entries of %v", c.visits)
	}
}

// A page that is restored has its buckets from a time on that is its own, down to the floor of its node. What
// says so stays until all pages begin with the oldest day.
func TestARestoredPageBeginsByItself(t *testing.T) {
	now := packedAt()
	ago := func(days int) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, -days) }
	day := func(days int) counting.Bucket {
		return counting.Bucket{Unit: counting.DayUnit(ago(days)), Visits: int64(days)}
	}
	state := func(since, floor int) counting.HistoryState {
		return counting.HistoryState{Setting: counting.HistorySetting{Unit: time.Hour, SmallDays: 3, Days: 30}, Since: ago(since), Floor: ago(floor)}
	}
	p := counting.Restored(ago(20)) + pack(day(5), day(15), day(20), day(21))
	for name, c := range map[string]struct {
		state counting.HistoryState
		begin time.Time
		want  []counting.Bucket
	}{
		"before that of the node": {state(10, 30), ago(20), []counting.Bucket{day(20), day(15), day(5)}},
		"after that of the node":  {state(25, 30), ago(20), []counting.Bucket{day(20), day(15), day(5)}},
		"before the floor":        {state(10, 15), ago(15), []counting.Bucket{day(15), day(5)}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stored := range []counting.Packed{p, check.Value(p.Compact(c.state, now))(t)} {
				h := counting.PageHistory{History: stored, State: c.state}
				check.Equal(t, h.Since(), c.begin, "begin of the history")
				if got := check.Value(h.Buckets())(t); !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
		})
	}
	for _, c := range []struct {
		since, days int
		want        bool
	}{{25, 9, true}, {25, 10, false}, {15, 14, true}, {15, 15, false}} {
		got := check.Value(p.Compact(state(c.since, 30), now.AddDate(0, 0, c.days)))(t)
		check.Equal(t, strings.HasPrefix(string(got), string(counting.Restored(ago(20)))), c.want, "history since %d days, %d days later, says when it begins", c.since, c.days)
	}
}

// TestCompactChangesNoSum splits histories into parts, compacts those at times that go up and
// down by less than what keeps small buckets, and appends them in any order. The sum of each day must stay.
func TestCompactChangesNoSum(t *testing.T) {
	s := counting.HistoryState{Setting: counting.HistorySetting{Unit: time.Hour, SmallDays: 3, Days: 30}}
	now := packedAt()
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]counting.Packed, rapid.IntRange(1, 4).Draw(t, "parts"))
		if rapid.Bool().Draw(t, "reset") {
			parts[0] = pack(counting.Bucket{Unit: counting.ResetAt(hourAt(now.Add(-time.Hour * time.Duration(rapid.IntRange(0, 47).Draw(t, "reset at")))))})
		}
		for range rapid.IntRange(0, 30).Draw(t, "entries") {
			at := now.Add(-time.Minute * time.Duration(rapid.IntRange(0, 40*24*60).Draw(t, "age")))
			u := rapid.SampledFrom([]counting.Unit{hourAt(at), quarterAt(at), counting.DayUnit(at)}).Draw(t, "unit")
			i := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
			parts[i] = parts[i].Append(counting.Bucket{Unit: u, Visits: rapid.Int64Range(1, 1<<50).Draw(t, "visits")})
		}
		var whole counting.Packed
		for _, p := range parts {
			whole += p
		}
		var joined counting.Packed
		for _, p := range rapid.Permutation(parts).Draw(t, "order") {
			for range rapid.IntRange(0, 3).Draw(t, "times") {
				at := now.Add(-time.Hour * time.Duration(rapid.IntRange(0, 20).Draw(t, "clock")))
				compacted := compact(t, p, s, at)
				if again := compact(t, compacted, s, at); again != compacted {
					t.Fatalf("compacted again, %q became %q", compacted, again)
				}
				p = compacted
			}
			joined += p
		}
		oldest := now.Truncate(24*time.Hour).AddDate(0, 0, -s.Setting.Days)
		want, got := byDay(t, whole, oldest), byDay(t, joined, oldest)
		if !maps.Equal(got, want) {
			t.Fatalf("got the days %v, want %v", got, want)
		}
	})
}

func compact(t *rapid.T, p counting.Packed, s counting.HistoryState, now time.Time) counting.Packed {
	p, err := p.Compact(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// byDay sums up a history by days, from one on.
func byDay(t *rapid.T, p counting.Packed, from time.Time) map[counting.Unit]int64 {
	buckets, err := p.Buckets()
	if err != nil {
		t.Fatal(err)
	}
	days := make(map[counting.Unit]int64)
	for _, b := range buckets {
		if !b.Unit.Start().Before(from) {
			days[counting.DayUnit(b.Unit.Start())] += b.Visits
		}
	}
	return days
}

// A page that was set begins with that for as long as days of it are kept, and the sum of its first day counts.
func TestAResetIsKeptAsLongAsDaysAre(t *testing.T) {
	setting := counting.HistorySetting{Unit: time.Hour, SmallDays: 3, Days: 6}
	at := time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC)
	hour := setting.UnitAt(at)
	var p counting.Packed
	for _, b := range []counting.Bucket{
		{Unit: counting.DayUnit(at.AddDate(0, 0, -1)), Visits: 1}, {Unit: hour - 1, Visits: 2}, {Unit: counting.ResetAt(hour)}, {Unit: hour, Visits: 4}, {Unit: hour + 1, Visits: 8},
	} {
		p = p.Append(b)
	}
	state := counting.HistoryState{Setting: setting, Since: at.AddDate(0, 0, -30)}
	for day := range 9 {
		p = check.Value(p.Compact(state, at.AddDate(0, 0, day)))(t)
		sum := int64(0)
		for _, b := range check.Value(p.Buckets())(t) {
			sum += b.Visits
		}
		if kept := day <= setting.Days; kept {
			check.Equal(t, counting.PageHistory{State: state, History: p}.Since(), hour.Start(), "the begin after %d days", day)
			check.Equal(t, sum, 12, "visits after %d days", day)
		} else {
			check.Equal(t, p, "", "what is left after %d days", day)
		}
	}
}
