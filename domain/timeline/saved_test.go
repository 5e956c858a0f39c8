package timeline_test

import (
	"math"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
)

// A page that is restored with what was saved of it has the same buckets, whatever keeps it: a store whose history
// began later, or one of another unit.
func TestWhatIsSavedIsRestored(t *testing.T) {
	now := at(t, "2026-11-30T10:20:30Z")
	hour := func(ago time.Duration) counting.Unit {
		return counting.HistorySetting{Unit: time.Hour}.UnitAt(now.Add(-ago))
	}
	quarter := counting.HistorySetting{Unit: 15 * time.Minute}.UnitAt(now)
	since := now.AddDate(0, 0, -40).Truncate(time.Second)
	h := counting.PageHistory{State: counting.HistoryState{Setting: check.Value(counting.ParseHistory("1h:32d,1d:400d"))(t), Since: since}}
	h.Visits = math.MaxInt64
	for _, b := range []counting.Bucket{
		{Unit: hour(3 * time.Hour), Visits: 3},
		{Unit: hour(50 * time.Hour), Visits: 1 << 60},
		{Unit: quarter, Visits: 7},
		{Unit: counting.DayUnit(now.AddDate(0, 0, -35)), Visits: 5},
		{Unit: counting.DayUnit(now.AddDate(0, 0, -40)), Visits: 6},
	} {
		h.History = h.History.Append(b)
	}
	saved := check.Value(timeline.Save(h, now))(t)
	check.Equal(t, saved.Len(), 5, "buckets")
	for _, setting := range []string{"1h:32d,1d:400d", "15m:32d,1d:400d"} {
		restored := h
		restored.State = counting.HistoryState{Setting: check.Value(counting.ParseHistory(setting))(t), Since: now, Floor: now.AddDate(0, 0, -400)}
		restored.History = check.Value(saved.Pack(h.Visits, now))(t)
		r := check.Value(timeline.ParseRange(timeline.Day, time.UTC, "2026-10-01", "2026-12-01", now))(t)
		want, got := check.Value(r.Count(h, now))(t), check.Value(r.Count(restored, now))(t)
		for i := range want.Visits {
			check.Equal(t, got.Visits[i], want.Visits[i], "visits at %v", want.Start(i))
		}
		check.Equal(t, got.Sum, want.Sum, "sum")
		check.Equal(t, got.Before, want.Before, "visits before history")
		check.Equal(t, got.Since, want.Since, "begin of the history")
		check.Equal(t, got.Since, since, "begin of the history")
	}
}

func TestWhatIsNotSavedIsRefused(t *testing.T) {
	now := at(t, "2026-11-30T10:20:30Z")
	good, hour := now.AddDate(0, 0, -1).Unix(), now.Truncate(time.Hour).Unix()
	many := make([][2]int64, 20_001)
	for i := range many {
		many[i] = [2]int64{hour, 1}
	}
	for name, s := range map[string]timeline.Saved{
		"no begin":                     {Hours: [][2]int64{{hour, 1}}},
		"a begin in the future":        {Since: now.Add(2 * time.Hour).Unix()},
		"a bucket in the future":       {Since: good, Hours: [][2]int64{{hour + 7200, 1}}},
		"a bucket before 1970":         {Since: good, Hours: [][2]int64{{-3600, 1}}},
		"a time far away":              {Since: good, Days: [][2]int64{{math.MaxInt64 / 86400 * 86400, 1}}},
		"a bucket that ends by then":   {Since: hour, Hours: [][2]int64{{hour - 3600, 1}}},
		"no start of an hour":          {Since: good, Hours: [][2]int64{{hour + 900, 1}}},
		"no start of a day":            {Since: good, Days: [][2]int64{{hour, 1}}},
		"no start of a quarter":        {Since: good, Quarters: [][2]int64{{hour + 60, 1}}},
		"no visits":                    {Since: good, Hours: [][2]int64{{hour, 0}}},
		"a number below 0":             {Since: good, Hours: [][2]int64{{hour, -1}}},
		"more visits than the count":   {Since: good, Hours: [][2]int64{{hour, 30_000}}, Quarters: [][2]int64{{hour, 1}}},
		"more visits than fit a count": {Since: good, Hours: [][2]int64{{hour, math.MaxInt64}, {hour, math.MaxInt64}}},
		"too many buckets":             {Since: good, Hours: many},
	} {
		t.Run(name, func(t *testing.T) { check.Is(t, check.Err(s.Pack(30_000, now)), timeline.ErrBadSaved) })
	}
	check.OK(t, check.Err(timeline.Saved{Since: good, Hours: [][2]int64{{hour, 30_000}}}.Pack(30_000, now)))
}
