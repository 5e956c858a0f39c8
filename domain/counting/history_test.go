package counting_test

import (
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestASettingIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]counting.HistorySetting{
		"off":               {},
		"1h:32d,1d:400d":    {Unit: time.Hour, SmallDays: 32, Days: 400},
		"15m:2d,1d:2d":      {Unit: 15 * time.Minute, SmallDays: 2, Days: 2},
		"15m:104d,1d:4000d": {Unit: 15 * time.Minute, SmallDays: 104, Days: 4000},
		"1h:416d,1d:416d":   {Unit: time.Hour, SmallDays: 416, Days: 416},
	} {
		got := check.Value(counting.ParseHistory(text))(t)
		check.Equal(t, got, want, "%s", text)
		check.Equal(t, got.String(), text, "the setting as text")
	}
	got := check.Value(counting.ParseHistory("1h:32d"))(t)
	check.Equal(t, got.String(), "1h:32d,1d:32d", "a setting without days")
}

func TestASettingThatIsNoneIsRefusedWithTheReason(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "the unit is neither 15m nor 1h",
		"on":                "the unit is neither 15m nor 1h",
		"2h:32d":            "the unit is neither 15m nor 1h",
		"1h":                `"" is not 2d to 4000d`,
		"1h:32":             `"32" is not 2d to 4000d`,
		"1h:1d":             `"1d" is not 2d to 4000d`,
		"1h:-3d":            `"-3d" is not 2d to 4000d`,
		"1h:32d,":           "the second unit is not 1d",
		"1h:32d,2d:400d":    "the second unit is not 1d",
		"1h:32d,1d:4001d":   `"4001d" is not 2d to 4000d`,
		"1h:32d,1d:31d":     "days are kept for a shorter time than small buckets",
		"1h:417d,1d:417d":   "it keeps more than 10000 small buckets of a page",
		"15m:105d,1d:400d":  "it keeps more than 10000 small buckets of a page",
		"1h:32d,1d:400d,1d": `"400d,1d" is not 2d to 4000d`,
	} {
		_, err := counting.ParseHistory(text)
		check.Says(t, err, want)
	}
}

func TestUnitsHaveTheirTimes(t *testing.T) {
	at := time.Date(2026, 11, 29, 13, 52, 7, 0, time.UTC)
	for _, c := range []struct {
		name       string
		unit       counting.Unit
		start, end string
	}{
		{"quarter", counting.HistorySetting{Unit: 15 * time.Minute}.UnitAt(at), "2026-11-29T13:45:00Z", "2026-11-29T14:00:00Z"},
		{"hour", counting.HistorySetting{Unit: time.Hour}.UnitAt(at), "2026-11-29T13:00:00Z", "2026-11-29T14:00:00Z"},
		{"day", counting.DayUnit(at), "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"reset", counting.ResetAt(hourAt(at)), "2026-11-29T13:00:00Z", "2026-11-29T13:00:00Z"},
	} {
		check.Equal(t, c.unit.Start().Format(time.RFC3339), c.start, "start of a %s", c.name)
		check.Equal(t, c.unit.End().Format(time.RFC3339), c.end, "end of a %s", c.name)
	}
}

func TestAMovingPageHasTheHistoriesThatItsCountComesFrom(t *testing.T) {
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	later := since.Add(time.Hour)
	of := func(p counting.Part, hour int, visits int64, began time.Time) counting.PageHistory {
		return counting.PageHistory{
			Part: p, History: counting.Packed("").Append(counting.Bucket{Unit: hourAt(later.Add(time.Duration(hour) * time.Hour)), Visits: visits}),
			State: counting.HistoryState{Since: began},
		}
	}
	live, frozen, released := counting.Part{Visits: 5}, counting.Part{Stage: counting.Frozen, Frozen: 5}, counting.Part{Stage: counting.Released}
	for _, c := range []struct {
		name                string
		source, destination counting.Part
		visits, sum         int64
	}{
		{"live at both", live, counting.Part{Visits: 2}, 7, 7},
		{"frozen", frozen, counting.Part{Visits: 2}, 7, 7},
		{"imported", frozen, counting.Part{Visits: 7, Marked: true}, 7, 2},
		{"closed", live, counting.Part{Visits: 7, Closed: true}, 7, 2},
		{"released", released, counting.Part{Visits: 7, Marked: true}, 7, 2},
	} {
		got := counting.JoinHistory(of(c.source, 0, 5, later), of(c.destination, 1, 2, since))
		check.Equal(t, got.Part, counting.Part{Visits: c.visits, Closed: true}, "part of a page that is %s", c.name)
		check.Equal(t, sum(check.Value(got.Buckets())(t)), c.sum, "visits in the buckets of a page that is %s", c.name)
		began := since
		if c.sum == 7 {
			began = later
		}
		check.Equal(t, got.State.Since, began, "begin of the history of a page that is %s", c.name)
	}
	got := counting.JoinHistory(of(counting.Part{Err: counting.Corrupt}, 0, 5, since), of(counting.Part{Visits: 2}, 1, 2, since))
	check.Is(t, got.Err, counting.Corrupt)

	none := counting.PageHistory{Part: frozen}
	check.Equal(t, counting.JoinHistory(none, of(counting.Part{Visits: 2}, 1, 2, since)).State, counting.HistoryState{}, "state of a page that is at a node without history")
	check.Equal(t, counting.JoinHistory(none, of(counting.Part{Visits: 7, Marked: true}, 1, 2, since)).State.Since, since, "begin of the history of a page that was at a node without history")
}

func TestBucketsThatEndedBeforeHistoryBeganDoNotCount(t *testing.T) {
	since := time.Date(2026, 11, 1, 10, 20, 0, 0, time.UTC)
	h := counting.PageHistory{State: counting.HistoryState{Since: since}}
	for _, by := range []time.Duration{-2 * time.Hour, -time.Hour, 0, time.Hour} {
		h.History = h.History.Append(counting.Bucket{Unit: hourAt(since.Add(by)), Visits: 1})
	}
	got := check.Value(h.Buckets())(t)
	if len(got) != 2 || got[0].Unit != hourAt(since) {
		t.Errorf("got %v, want those from %v on", got, hourAt(since).Start())
	}
}
