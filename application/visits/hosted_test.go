package visits_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

// hosted is a scenario of four partitions on two servers.
func hosted(t *testing.T, test func(t *testing.T, s *visits.Service, c *cluster.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var nodes []cluster.Node
		for i := range 4 {
			id := fmt.Sprintf("p%02d", i)
			n := localnode.New(localnode.Options{ID: counting.NodeID(id), Addr: id})
			nodes = append(nodes, chaos.NewPartition(n, counting.NodeID(fmt.Sprintf("redis_10.0.0.%d_6379", 1+i/2))))
		}
		c := cluster.New(cluster.Options{
			Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, KeyLimit: 10, Log: slog.New(slog.DiscardHandler),
		})
		check.Must(t, c.Start(t.Context()))
		test(t, visits.New(c), c)
		check.Must(t, c.Stop(t.Context()))
	})
}

func TestPartitionsCountSetAndRead(t *testing.T) {
	hosted(t, func(t *testing.T, s *visits.Service, c *cluster.Cluster) {
		pages := make([]counting.Page, 4)
		for i := range pages {
			pages[i] = pageOf(c, i)
			mustRecord(t, s, pages[i])
			key := check.Value(counting.ParseKey(fmt.Sprint(i)))(t)
			for range 2 { // the second one is a repetition
				errs := check.Value(s.RecordOnce(t.Context(), counting.RequestKey{Key: key}, []counting.Visit{{Page: pages[i], Count: 2}}))(t)
				check.OK(t, errs[0], "a visit with a key")
			}
		}
		count := int64(40)
		check.OK(t, s.SetAll(t.Context(), []counting.SetCount{{Page: pages[3], Count: count}})[0], "setting a count")
		wantAll(t, s, pages, 3, 3, 3, count)
		for i, server := range []counting.NodeID{"redis_10.0.0.1_6379", "redis_10.0.0.1_6379", "redis_10.0.0.2_6379", "redis_10.0.0.2_6379"} {
			check.Equal(t, s.Read(t.Context(), pages)[i].Via, server, "what has answered for one of several pages")
			check.Equal(t, s.Read(t.Context(), pages[i:i+1])[0].Via, server, "what has answered for one page")
		}
	})
}

// An export follows List.
func TestPartitionsListAllPages(t *testing.T) {
	hosted(t, func(t *testing.T, s *visits.Service, _ *cluster.Cluster) {
		var want, got []counting.Page
		for i := range 100 {
			page := counting.Page(fmt.Sprintf("page/%d", i))
			mustRecord(t, s, page)
			want = append(want, page)
		}
		for cursor, more := "", true; more; more = cursor != "" {
			var some []counting.Visit
			var err error
			some, cursor, err = s.List(t.Context(), cursor)
			check.Must(t, err)
			for _, v := range some {
				got = append(got, v.Page)
				check.Equal(t, v.Count, 1, "visits of %s", v.Page)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("listed %v", got)
		}
	})
}
