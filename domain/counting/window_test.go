package counting_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestParseLengthTakesWholeSecondsUpToADay(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 7 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		if l, err := counting.ParseLength(d); err != nil || time.Duration(l) != d {
			t.Errorf("%v: got (%v, %v)", d, l, err)
		}
	}
	for _, d := range []time.Duration{0, 1, -time.Second, -time.Minute, 999 * time.Millisecond, 1500 * time.Millisecond, time.Minute + 1, 24*time.Hour + time.Second, math.MaxInt64, math.MinInt64} {
		if l, err := counting.ParseLength(d); !errors.Is(err, counting.ErrBadWindow) || l != 0 {
			t.Errorf("%v: got (%v, %v), want ErrBadWindow", d, l, err)
		}
	}
}

func length(d time.Duration) counting.WindowLength { return counting.WindowLength(d) }

func TestNamesOfWindows(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 5, 37, 0, time.UTC)
	for _, c := range []struct {
		length time.Duration
		at     time.Time
		want   string
	}{
		{time.Minute, at, "footfall_20261122T100500Z"},
		{time.Minute, at.In(time.FixedZone("IST", 19800)), "footfall_20261122T100500Z"},
		{time.Second, at, "footfall_20261122T100537Z_1s"},
		{2 * time.Second, at, "footfall_20261122T100536Z_2s"},
		{7 * time.Second, time.Unix(13, 0), "footfall_19700101T000007Z_7s"},
		{59 * time.Second, time.Unix(0, 0), "footfall_19700101T000000Z_59s"},
		{time.Hour, at, "footfall_20261122T100000Z_3600s"},
		{24 * time.Hour, at, "footfall_20261122T000000Z_86400s"},
		{time.Minute, time.Unix(-1, 0), "footfall_19691231T235900Z"},
		{2 * time.Second, time.Unix(-1, 0), "footfall_19691231T235958Z_2s"},
		{time.Hour, time.Unix(-3600, -1), "footfall_19691231T220000Z_3600s"},
		{time.Minute, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "footfall_00000101T000000Z"},
		{time.Minute, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "footfall_99991231T235900Z"},
	} {
		l := length(c.length)
		w := l.At(c.at)
		check.Equal(t, l.Name(w), c.want, "%v at %v", c.length, c.at)
		check.Equal(t, check.Value(l.Parse(counting.DefaultName, c.want))(t), w, "the window of length %v, %s", c.length, c.want)
	}
}

// F28: the name of the deployment begins the ids of its windows, and no other deployment
// knows them.
func TestF28TheNameOfTheDeploymentBeginsTheID(t *testing.T) {
	for _, d := range []time.Duration{time.Minute, 2 * time.Second} {
		l := length(d)
		w := l.At(time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC))
		check.Equal(t, l.ID(counting.DefaultName, w), l.Name(w), "the id in a deployment of the default name")
		for _, name := range []string{"staging", "f", "footfall-2", "-", "0123456789abcdefghijklmnopqrstuv"} {
			id := l.ID(check.Value(counting.ParseName(name))(t), w)
			check.Equal(t, id, name+strings.TrimPrefix(l.Name(w), "footfall"), "the id")
			check.Equal(t, check.Value(l.Parse(name, id))(t), w, "the window of %s", id)
			for _, other := range []string{counting.DefaultName, name + "-", name[1:]} {
				if _, err := l.Parse(other, id); !errors.Is(err, counting.ErrBadWindow) {
					t.Errorf("%s knows %s: %v", other, id, err)
				}
			}
		}
	}
	for _, name := range []string{"", "Staging", "a_b", "a.b", "a b", "ä", "a\n", "0123456789abcdefghijklmnopqrstuvw"} {
		if got, err := counting.ParseName(name); !errors.Is(err, counting.ErrBadName) {
			t.Errorf("%q is the name %q, %v", name, got, err)
		}
	}
}

func TestAWindowCoversFromItsStartUpToItsEnd(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 7 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		l := length(d)
		for _, w := range []counting.Window{-1_000_000, -61, -2, -1, 0, 1, 2, 59, 60, 29_924_765} {
			t.Run(fmt.Sprintf("%v/%d", d, w), func(t *testing.T) {
				start, end := l.Start(w), l.End(w)
				if end.Sub(start) != d || start.Location() != time.UTC || end.Location() != time.UTC {
					t.Errorf("it is from %v to %v", start, end)
				}
				for at, want := range map[time.Time]counting.Window{
					start.Add(-1): w - 1, start: w, start.Add(1): w, start.Add(d / 2): w, end.Add(-1): w, end: w + 1,
				} {
					check.Equal(t, l.At(at), want, "the window of %v", at.Format(time.RFC3339Nano))
				}
			})
		}
	}
}

func TestParseTakesNoOtherName(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		name   string
	}{
		{time.Minute, ""},
		{time.Minute, "footfall_"},
		{time.Minute, "20261122T100500Z"},
		{time.Minute, "footfall_20261122T100501Z"},
		{time.Minute, "footfall_20261122T100500"},
		{time.Minute, "footfall_20261122T100500z"},
		{time.Minute, "footfall_20261122t100500Z"},
		{time.Minute, "Footfall_20261122T100500Z"},
		{time.Minute, "footfall_20261122T100500.0Z"},
		{time.Minute, "footfall_20261122T100500,0Z"},
		{time.Minute, "footfall_20261122T100500Z_60s"},
		{time.Minute, "footfall_20261122T100500Z_2s"},
		{time.Minute, "footfall_20261122T100500Z "},
		{time.Minute, "footfall_20261122T100500Z\n"},
		{time.Minute, "footfall_footfall_20261122T100500Z"},
		{time.Minute, "footfall_20261332T100500Z"},
		{time.Minute, "footfall_20260229T100500Z"},
		{time.Minute, "footfall_20261122T240000Z"},
		{time.Minute, "footfall_20261122T100560Z"},
		{time.Minute, "footfall_+20261122T100500Z"},
		{time.Minute, "footfall_-0010101T000000Z"},
		{time.Minute, "footfall_100000101T000000Z"},
		{2 * time.Second, "footfall_20261122T100500Z"},
		{2 * time.Second, "footfall_20261122T100501Z_2s"},
		{2 * time.Second, "footfall_20261122T100500Z_02s"},
		{2 * time.Second, "footfall_20261122T100500Z_2s_2s"},
		{2 * time.Second, "footfall_20261122T100500Z_12s"},
		{time.Hour, "footfall_20261122T100500Z_3600s"},
		{time.Hour, "footfall_20261122T100000Z_1h"},
	} {
		if w, err := length(c.length).Parse(counting.DefaultName, c.name); !errors.Is(err, counting.ErrBadWindow) || w != 0 {
			t.Errorf("%q of %v: got (%d, %v), want ErrBadWindow", c.name, c.length, w, err)
		}
	}
}

func TestTheErrorQuotesTheName(t *testing.T) {
	if _, err := length(time.Minute).Parse(counting.DefaultName, "a\nb"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func FuzzWindowName(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string, unix int64, seconds uint32) {
		l, err := counting.ParseLength(time.Duration(seconds) * time.Second)
		if err != nil {
			if seconds >= 1 && seconds <= 86400 {
				t.Fatalf("%d s: %v", seconds, err)
			}
			return
		}
		if w, err := l.Parse(counting.DefaultName, name); err == nil && l.Name(w) != name {
			t.Fatalf("%q is window %d, whose name is %q", name, w, l.Name(w))
		} else if err != nil && (!errors.Is(err, counting.ErrBadWindow) || w != 0) {
			t.Fatalf("%q: got (%d, %v)", name, w, err)
		}
		at := time.Unix(unix%200_000_000_000, 0).UTC()
		w := l.At(at)
		if at.Before(l.Start(w)) || !at.Before(l.End(w)) {
			t.Fatalf("%v is in no window from %v to %v", at, l.Start(w), l.End(w))
		}
		if year := l.Start(w).Year(); year < 0 || year > 9999 {
			return
		}
		if got, err := l.Parse(counting.DefaultName, l.Name(w)); err != nil || got != w {
			t.Fatalf("window %d has the name %q, which is (%d, %v)", w, l.Name(w), got, err)
		}
	})
}
