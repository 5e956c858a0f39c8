package history_test

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/history"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
)

// zoned is a deployment of one node in memory. The clock of the node is set by the test: it chooses the
// buckets.
type zoned struct {
	*testing.T
	node    *localnode.Node
	clock   atomic.Int64 // nanoseconds since 1970
	visits  *visits.Service
	history *history.Service
}

// inZone runs a test at a time of virtual time, over a node that has kept history for 20 days.
func inZone(t *testing.T, setting string, now time.Time, test func(z *zoned)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now))
		z := &zoned{T: t}
		z.set(now)
		z.node = localnode.New(localnode.Options{Now: func() time.Time { return time.Unix(0, z.clock.Load()) }})
		c := cluster.New(cluster.Options{
			Nodes: []cluster.Node{z.node}, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, KeyLimit: 1,
			MaxSkew: 1000 * time.Hour, Log: slog.New(slog.DiscardHandler),
		})
		check.Must(t, c.Start(t.Context()))
		defer func() { check.Must(t, c.Stop(t.Context())) }()
		kept := check.Value(counting.ParseHistory(setting))(t)
		check.Value(z.node.KeepHistory(t.Context(), kept, now.AddDate(0, 0, -20), false, z.agreed()))(t)
		z.visits, z.history = visits.New(c), history.New(history.Options{Cluster: c, Setting: kept, Log: slog.New(slog.DiscardHandler)})
		test(z)
	})
}

// set sets the clock of the node.
func (z *zoned) set(at time.Time) { z.clock.Store(at.UnixNano()) }

// agreed is the clock of a caller that the node's agrees with.
func (z *zoned) agreed() counting.Clock {
	return counting.Clock{Now: time.Unix(0, z.clock.Load()), MaxSkew: time.Second}
}

func (z *zoned) compact() {
	z.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = check.Value(z.node.Compact(z.Context(), z.agreed(), cursor))(z)
	}
}

// visit visits a page at random times of the nine days around a noon, more often when a day or an hour
// begins by the clocks of the zone. It compacts the node each day, and returns the times.
func (z *zoned) visit(page counting.Page, noon time.Time) (all []time.Time) {
	z.Helper()
	seed := rand.Uint64()
	z.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	begin := noon.Add(-108 * time.Hour)
	for range 600 {
		all = append(all, begin.Add(time.Duration(random.Int64N(int64(216*time.Hour)))))
	}
	for hour := range 216 * 4 { // the last and the first moment of each quarter
		at := begin.Add(time.Duration(hour) * 15 * time.Minute)
		all = append(all, at.Add(-1), at)
	}
	slices.SortFunc(all, time.Time.Compare)
	for i, at := range all {
		z.set(at)
		check.Must(z, z.visits.Record(z.Context(), page, 1))
		if i%200 == 0 {
			z.compact()
		}
	}
	return all
}

// days checks each day of a range against the times whose date in the zone it is, and that a day has
// as many hours as its clocks show.
func (z *zoned) days(page counting.Page, in *time.Location, noon time.Time, all []time.Time, hours string) {
	z.Helper()
	from, to := noon.AddDate(0, 0, -3).Format(time.DateOnly), noon.AddDate(0, 0, 4).Format(time.DateOnly)
	r := check.Value(timeline.ParseRange(timeline.Day, in, from, to, time.Now()))(z)
	got := z.history.Timelines(z.Context(), []counting.Page{page}, r)[0]
	check.Must(z, got.Err)
	want := make(map[string]int64)
	for _, at := range all {
		want[at.In(in).Format(time.DateOnly)]++
	}
	check.Equal(z, len(got.Visits), 7, "days")
	sum := int64(0)
	for i, n := range got.Visits {
		date := noon.AddDate(0, 0, i-3).Format(time.DateOnly)
		check.Equal(z, got.Start(i).Format(time.DateOnly), date, "day %d", i)
		check.Equal(z, n, want[date], "visits of %s", date)
		sum += n
	}
	check.Equal(z, got.Sum, sum, "the sum")
	check.Equal(z, got.Total, int64(len(all)), "the total")
	next := check.Value(timeline.ParseRange(timeline.Day, in, noon.Format(time.DateOnly), noon.AddDate(0, 0, 1).Format(time.DateOnly), time.Now()))(z)
	check.Equal(z, next.To().Sub(next.From()).String(), hours, "the length of the day of the change")
}

// The days of a zone over a change of its clocks are those of the visits that the service was sent: over a batch, the node
// that places it, compaction and the answer.
func TestDaysEqualANaiveCountOfTheVisitsOfTheirZone(t *testing.T) {
	for _, c := range []struct{ zone, setting, changes, hours string }{
		{"Europe/Berlin", "1h:32d,1d:400d", "2026-03-29", "23h0m0s"},
		{"Europe/Berlin", "1h:32d,1d:400d", "2026-10-25", "25h0m0s"},
		{"America/New_York", "1h:32d,1d:400d", "2026-03-08", "23h0m0s"},
		{"America/New_York", "1h:32d,1d:400d", "2026-11-01", "25h0m0s"},
		{"Asia/Kolkata", "15m:32d,1d:400d", "2026-05-05", "24h0m0s"},
		{"Australia/Lord_Howe", "15m:32d,1d:400d", "2026-04-05", "24h30m0s"},
		{"Australia/Lord_Howe", "15m:32d,1d:400d", "2026-10-04", "23h30m0s"},
		{"Pacific/Chatham", "15m:32d,1d:400d", "2026-04-05", "25h0m0s"},
		{"Pacific/Chatham", "15m:32d,1d:400d", "2026-09-27", "23h0m0s"},
	} {
		t.Run(strings.Join([]string{c.zone, c.changes}, " "), func(t *testing.T) {
			in := check.Value(time.LoadLocation(c.zone))(t)
			noon := check.Value(time.ParseInLocation(time.DateTime, c.changes+" 12:00:00", in))(t)
			end := noon.Add(110 * time.Hour)
			inZone(t, c.setting, end, func(z *zoned) {
				all := z.visit("home", noon)
				z.days("home", in, noon, all, c.hours)
				z.set(end)
				z.compact()
				z.days("home", in, noon, all, c.hours)
			})
		})
	}
}
