package timeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	return check.Value(time.LoadLocation(name))(t)
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	return check.Value(time.Parse(time.RFC3339, s))(t)
}

// historyOf is the history of visits at some times, of a store that began before them.
func historyOf(t *testing.T, setting string, since time.Time, visits []time.Time) counting.PageHistory {
	t.Helper()
	h := counting.PageHistory{State: counting.HistoryState{Setting: check.Value(counting.ParseHistory(setting))(t), Since: since}}
	units := make(map[counting.Unit]int64)
	for _, v := range visits {
		units[h.State.Setting.UnitAt(v)]++
		h.Visits++
	}
	for u, n := range units {
		h.History = h.History.Append(counting.Bucket{Unit: u, Visits: n})
	}
	return h
}

// label is the step in which a time lies, as clocks and calendars of a zone show it.
func label(step timeline.Step, t time.Time) string {
	switch step {
	case timeline.Quarter:
		return fmt.Sprint(t.Format("2006-01-02T15 -07:00 "), t.Minute()/15)
	case timeline.Hour:
		return t.Format("2006-01-02T15 -07:00")
	case timeline.Week:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	case timeline.Month:
		return t.Format("2006-01")
	}
	return t.Format("2006-01-02")
}

// Days of 23, 23.5, 24.5 and 25 hours are right: each bucket has the visits whose clock or
// calendar says so.
func TestEveryBucketEqualsANaiveCountInItsZone(t *testing.T) {
	steps := []timeline.Step{timeline.Quarter, timeline.Hour, timeline.Day, timeline.Week, timeline.Month}
	for _, c := range []struct{ zone, unit, changes, hours string }{
		{"Europe/Berlin", "1h", "2026-03-29", "23h0m0s"},
		{"Europe/Berlin", "15m", "2026-10-25", "25h0m0s"},
		{"America/New_York", "1h", "2026-03-08", "23h0m0s"},
		{"America/New_York", "1h", "2026-11-01", "25h0m0s"},
		{"Asia/Kolkata", "15m", "2026-05-05", "24h0m0s"},
		{"Australia/Lord_Howe", "15m", "2026-04-05", "24h30m0s"},
		{"Australia/Lord_Howe", "15m", "2026-10-04", "23h30m0s"},
		{"Pacific/Chatham", "15m", "2026-04-05", "25h0m0s"},
		{"Pacific/Chatham", "15m", "2026-09-27", "23h0m0s"},
		{"Africa/Cairo", "1h", "2026-04-24", "23h0m0s"},   // has no midnight
		{"America/Havana", "1h", "2026-11-01", "25h0m0s"}, // has two
		{"America/Santiago", "1h", "2026-09-06", "23h0m0s"},
		{"America/Santiago", "1h", "2026-04-04", "25h0m0s"},
		{"UTC", "1h", "2026-05-05", "24h0m0s"},
	} {
		for _, step := range steps {
			if step == timeline.Quarter && c.unit != "15m" {
				continue
			}
			t.Run(strings.Join([]string{c.zone, c.changes, string(step)}, " "), func(t *testing.T) {
				in := zone(t, c.zone)
				noon := check.Value(time.ParseInLocation(time.DateTime, c.changes+" 12:00:00", in))(t)
				checkAgainstNaive(t, step, in, c.unit, noon)
				if step == timeline.Day {
					r := check.Value(timeline.ParseRange(step, in, c.changes, noon.AddDate(0, 0, 1).Format(time.DateOnly), noon))(t)
					check.Equal(t, r.To().Sub(r.From()).String(), c.hours, "the length of the day")
				}
			})
		}
	}
}

// checkAgainstNaive counts random visits of the days around a noon.
func checkAgainstNaive(t *testing.T, step timeline.Step, in *time.Location, unit string, noon time.Time) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	begin, now := noon.Add(-84*time.Hour), noon.Add(84*time.Hour)
	var visits []time.Time
	for range 20_000 {
		visits = append(visits, begin.Add(time.Duration(random.Int64N(int64(now.Sub(begin))))))
	}
	h := historyOf(t, unit+":90d", begin.Add(-time.Hour), visits)
	from, to := noon.Add(-time.Duration(random.IntN(70))*time.Hour), noon.Add(time.Duration(random.IntN(70))*time.Hour)
	r := check.Value(timeline.ParseRange(step, in, from.UTC().Format(time.RFC3339), to.Format(time.RFC3339), now))(t)
	got := check.Value(r.Count(h, now))(t)

	want, sum := make(map[string]int64), int64(0)
	for m := r.From(); m.Before(r.To()); m = m.Add(time.Minute) {
		want[label(step, m)] = 0
	}
	for _, v := range visits {
		if l := label(step, v.In(in)); !v.Before(r.From()) && v.Before(r.To()) {
			want[l]++
			sum++
		}
	}
	check.Equal(t, len(got.Visits), len(want), "the number of buckets from %v to %v", r.From(), r.To())
	for i, n := range got.Visits {
		check.Equal(t, n, want[label(step, got.Start(i))], "visits from %v on", got.Start(i))
	}
	check.Equal(t, got.Sum, sum, "the sum")
	check.Equal(t, got.Total, 20_000, "the total")
	check.Equal(t, got.Before, 0, "what was counted before")
	check.Equal(t, label(step, r.From()), label(step, from.In(in)), "where the range begins")
	check.Equal(t, label(step, r.To()), label(step, to.In(in)), "where the range ends")
}

func TestARangeIsAlignedDownAndHasDefaults(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	for _, c := range []struct {
		step                     timeline.Step
		zone, from, to, out, end string
		buckets                  int
	}{
		{timeline.Hour, "UTC", "", "", "2026-11-27T11:00:00Z", "2026-11-28T11:00:00Z", 24},
		{timeline.Day, "Europe/Berlin", "", "", "2026-11-05T00:00:00+01:00", "2026-11-29T00:00:00+01:00", 24},
		{timeline.Month, "UTC", "", "", "2024-12-01T00:00:00Z", "2026-12-01T00:00:00Z", 24},
		{timeline.Week, "UTC", "2026-11-23", "", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", 1},
		{timeline.Week, "UTC", "2026-11-22T23:59:59Z", "", "2026-11-16T00:00:00Z", "2026-11-30T00:00:00Z", 2},
		{timeline.Quarter, "Asia/Kolkata", "", "2026-11-28T10:20:30Z", "2026-11-28T09:45:00+05:30", "2026-11-28T15:45:00+05:30", 24},
		{timeline.Hour, "UTC", "2026-11-28T10:05:00Z", "2026-11-28T10:55:00Z", "2026-11-28T10:00:00Z", "2026-11-28T10:00:00Z", 0},
		{timeline.Day, "UTC", "2026-11-27T23:00:00-02:00", "2026-11-29", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", 1},
		{timeline.Hour, "Australia/Lord_Howe", "2026-04-05T01:45:00+10:30", "2026-04-05T02:15:00+10:30", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30", 1},
		{timeline.Day, "Pacific/Apia", "2011-12-29", "2012-01-01", "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", 2}, // has no 30th
	} {
		r, err := timeline.ParseRange(c.step, zone(t, c.zone), c.from, c.to, now)
		check.Must(t, err, "%+v", c)
		check.Equal(t, r.From().Format(time.RFC3339), c.out, "%+v: from", c)
		check.Equal(t, r.To().Format(time.RFC3339), c.end, "%+v: to", c)
		got := check.Value(r.Count(historyOf(t, "15m:90d,1d:4000d", now.Add(-time.Hour), nil), r.From()))(t)
		check.Equal(t, len(got.Visits), c.buckets, "%+v: buckets", c)
	}
}

func TestQuestionsThatCannotBeAnsweredSayWhy(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	for _, c := range []struct {
		setting, step, zone, from, to string
		want                          error
		says                          string
	}{
		{"1h:32d", "year", "UTC", "", "", timeline.ErrBadStep, "15m, hour, day, week or month"},
		{"1h:32d", "", "UTC", "", "", timeline.ErrBadStep, "want"},
		{"1h:32d", "day", "UTC", "yesterday", "", timeline.ErrBadTime, "from"},
		{"1h:32d", "day", "UTC", "", "2026-02-30", timeline.ErrBadTime, "to"},
		{"1h:32d", "day", "UTC", "2026-11-28T10:00", "", timeline.ErrBadTime, "2026-11-28T00:00:00Z"},
		{"1h:32d", "hour", "UTC", "2026-11-28", "2026-11-27", timeline.ErrBadRange, "after"},
		{"1h:32d", "hour", "UTC", "2026-11-29", "", timeline.ErrBadRange, "from is in the future"},
		{"1h:60d", "hour", "UTC", "2026-10-01", "", timeline.ErrBadRange, "1000"},
		{"15m:60d", "15m", "UTC", "0001-01-01", "9999-12-31", timeline.ErrBadRange, "1000"},
		{"1h:32d", "15m", "UTC", "", "", timeline.ErrResolution, "1h"},
		{"1h:32d", "hour", "Asia/Kolkata", "", "", timeline.ErrResolution, "+05:30"},
		{"1h:32d", "day", "Pacific/Chatham", "", "", timeline.ErrResolution, "+13:45"},
		{"1h:90d", "day", "Australia/Lord_Howe", "2026-10-03", "2026-10-05", timeline.ErrResolution, "+10:30"},
		{"1h:90d", "day", "Australia/Lord_Howe", "2026-10-05", "2026-10-07", nil, ""},
		{"1h:32d", "day", "Europe/Berlin", "2026-10-25", "", timeline.ErrResolution, "2026-10-27"},
		{"1h:32d", "hour", "UTC", "2026-10-26T05:00:00Z", "2026-10-28", timeline.ErrResolution, "UTC"},
		{"1h:32d", "day", "UTC", "2025-10-26", "", nil, ""},
		{"1h:32d", "day", "Europe/Berlin", "2026-10-28", "", nil, ""},
		{"1h:32d", "day", "Africa/Abidjan", "2026-10-25", "", nil, ""}, // is UTC by another name
		{"off", "day", "UTC", "", "", timeline.ErrNoHistory, "no history"},
	} {
		step, err := timeline.ParseStep(c.step)
		var r timeline.Range
		if err == nil {
			r, err = timeline.ParseRange(step, zone(t, c.zone), c.from, c.to, now)
		}
		if err == nil {
			_, err = r.Count(historyOf(t, c.setting, now.AddDate(-2, 0, 0), nil), now)
		}
		check.Is(t, err, c.want, "%+v", c)
		if c.want != nil {
			check.Says(t, err, c.says)
		}
	}
}

// A bucket that was kept by another setting can belong to several steps.
func TestALongBucketIsNotDivided(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	h := historyOf(t, "15m:32d", now.AddDate(0, 0, -3), nil)
	old := check.Value(counting.ParseHistory("1h:32d"))(t)
	h.History, h.Visits = h.History.Append(counting.Bucket{Unit: old.UnitAt(now), Visits: 3}), 3
	count := func(step timeline.Step, from string) (timeline.Timeline, error) {
		return check.Value(timeline.ParseRange(step, time.UTC, from, "", now))(t).Count(h, now)
	}
	for _, from := range []string{"2026-11-28T10:00:00Z", "2026-11-28T10:15:00Z"} {
		_, err := count(timeline.Quarter, from)
		check.Is(t, err, timeline.ErrResolution, "from %s", from)
	}
	check.Equal(t, check.Value(count(timeline.Hour, ""))(t).Sum, 3, "the sum of hours")
}

func TestAllPartsAddUpToTheTotal(t *testing.T) {
	now, since := at(t, "2026-11-28T10:20:30Z"), at(t, "2026-11-20T08:30:00Z")
	visits := []time.Time{at(t, "2026-11-20T08:40:00Z"), at(t, "2026-11-28T09:59:59Z"), at(t, "2026-11-28T10:00:00Z")}
	h := historyOf(t, "1h:2d,1d:4d", since, visits)
	h.Visits += 30
	r := check.Value(timeline.ParseRange(timeline.Hour, time.UTC, "", "", now))(t)
	want := func(what string, h counting.PageHistory, now time.Time, sum, before int64, since string) {
		t.Helper()
		got := check.Value(r.Count(h, now))(t)
		check.Equal(t, got.Sum, sum, "%s: the sum", what)
		check.Equal(t, got.Before, before, "%s: what was counted before", what)
		check.Equal(t, got.Since.Format(time.RFC3339), since, "%s: the beginning", what)
		check.Equal(t, got.Total, h.Visits, "%s: the total", what)
	}
	early := at(t, "2026-11-21T00:00:00Z")
	want("two days later, all is kept", h, early, 2, 30, "2026-11-20T08:30:00Z")
	later := h
	later.State.Since = at(t, "2026-11-20T09:50:00Z")
	want("its node has begun later", later, early, 2, 31, "2026-11-20T09:50:00Z")
	want("the first day has expired", h, now, 2, 31, "2026-11-24T00:00:00Z")

	reset := at(t, "2026-11-28T10:05:00Z")
	h.History = h.History.Append(counting.Bucket{Unit: counting.ResetAt(h.State.Setting.UnitAt(reset))})
	want("the page was given a count", h, now, 1, 32, "2026-11-28T10:00:00Z")
}

func TestABrokenHistoryIsCorrupt(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	r := check.Value(timeline.ParseRange(timeline.Hour, time.UTC, "", "", now))(t)
	more := historyOf(t, "1h:32d", now, []time.Time{now, now})
	more.Visits = 1
	bad := historyOf(t, "1h:32d", now, nil)
	bad.History = "xyz"
	part := historyOf(t, "1h:32d", now, nil)
	part.Err = counting.Corrupt
	for _, h := range []counting.PageHistory{more, bad, part} {
		check.Is(t, check.Err(r.Count(h, now)), counting.Corrupt)
		check.Is(t, check.Err(timeline.Read(h, now)), counting.Corrupt)
	}
}

func TestAPeriodRollsByWholeBuckets(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	visits := []time.Time{at(t, "2026-11-27T10:59:59Z"), at(t, "2026-11-27T11:00:00Z"), now, at(t, "2026-11-21T11:00:00Z"), at(t, "2026-11-21T00:00:00Z")}
	for _, c := range []struct {
		setting string
		length  time.Duration
		want    int64
	}{{"1h:32d", 24 * time.Hour, 2}, {"1h:32d", 7 * 24 * time.Hour, 4}, {"1h:2d,1d:32d", 7 * 24 * time.Hour, 5}} {
		slices.Reverse(visits)
		h := historyOf(t, c.setting, now.AddDate(-1, 0, 0), visits)
		check.Equal(t, check.Value(rolling(h, c.length, now))(t), timeline.Period{Visits: c.want}, "visits of %v by %s", c.length, c.setting)
		h.History = check.Value(h.History.Compact(h.State, now))(t)
		check.Equal(t, check.Value(rolling(h, c.length, now))(t), timeline.Period{Visits: c.want}, "visits of %v by %s, compacted", c.length, c.setting)
	}
	check.Is(t, check.Err(rolling(historyOf(t, "1h:7d", now, nil), 30*24*time.Hour, now)), timeline.ErrResolution)
	check.Is(t, check.Err(rolling(counting.PageHistory{}, time.Hour, now)), timeline.ErrNoHistory)
}

func rolling(h counting.PageHistory, length time.Duration, now time.Time) (timeline.Period, error) {
	kept, err := timeline.Read(h, now)
	if err != nil {
		return timeline.Period{}, err
	}
	return kept.Rolling(length)
}

// A number that may be too small says since when it is right.
func TestAPeriodSaysThatHistoryIsYounger(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	for _, c := range []struct{ since, reset, want string }{
		{"2026-11-27T11:00:00Z", "", ""},
		{"2026-11-27T11:00:01Z", "", "2026-11-27T11:00:01Z"},
		{"2026-11-28T10:05:00Z", "", "2026-11-28T10:05:00Z"},
		{"2026-11-20T00:00:00Z", "2026-11-28T09:05:00Z", "2026-11-28T09:00:00Z"},
	} {
		h := historyOf(t, "1h:32d", at(t, c.since), []time.Time{now})
		if c.reset != "" {
			h.History = h.History.Append(counting.Bucket{Unit: counting.ResetAt(h.State.Setting.UnitAt(at(t, c.reset)))})
		}
		got, since := check.Value(rolling(h, 24*time.Hour, now))(t), ""
		if !got.Since.IsZero() {
			since = got.Since.Format(time.RFC3339)
		}
		check.Equal(t, since, c.want, "since when, of a history since %s, set %q", c.since, c.reset)
		check.Equal(t, got.Visits, 1, "visits")
	}
}

// A day that was added up under another setting counts whole where the period begins within it.
func TestAPeriodBeginsWithTheWholeOfALongBucket(t *testing.T) {
	now := at(t, "2026-11-28T10:20:30Z")
	for begin, want := range map[string]int64{"2026-11-21": 8, "2026-11-20": 1, "2026-11-22": 8} { // of a period from the 21st, 11:00 on
		h := historyOf(t, "1h:32d", now.AddDate(-1, 0, 0), []time.Time{now})
		h.History, h.Visits = h.History.Append(counting.Bucket{Unit: counting.DayUnit(at(t, begin+"T00:00:00Z")), Visits: 7}), 8
		check.Equal(t, check.Value(rolling(h, 7*24*time.Hour, now))(t).Visits, want, "visits of 7 days with a bucket of the whole %s", begin)
	}
}
