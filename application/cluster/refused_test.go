package cluster_test

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/check"
)

// N4: visits and reads that a node does not serve are one line a minute, with their number
// and the reason, and none is left out at the end.
func TestN4RefusedRequestsAreOneLineAMinuteForEachNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(2)
		var log check.Log
		c := newClusterOf(t, cluster.Options{Nodes: asNodes(nodes), Log: slog.New(slog.NewTextHandler(&log, nil))})
		mustStart(t, c)
		pages := []counting.Page{pageOf(c, 0), pageOf(c, 1)}
		nodes[0].away.Store(true)
		refused := 0
		for range 5 * 60 / 2 {
			for _, page := range pages {
				err := c.Send(t.Context(), func(_ context.Context, v *cluster.View) error { return v.SendVisit(page, 1).Wait() })
				if err != nil {
					refused++
				}
				m := c.View().Nodes[c.View().Owner(c.View().Arc(page))]
				if _, err := m.Reads.Read(c.View().Epoch(), counting.Located{Arc: c.View().Arc(page), Page: page}); err != nil {
					refused++
				}
			}
			time.Sleep(2 * time.Second)
		}
		check.OK(t, c.Stop(t.Context()))
		check.Equal(t, refused, 2*5*60/2, "requests of one node that were refused")
		logged := 0
		lines := regexp.MustCompile(`msg="requests were refused" node=n1 items=(\d+) reason=".*connection refused`).FindAllStringSubmatch(log.String(), -1)
		for _, line := range lines {
			logged += check.Value(strconv.Atoi(line[1]))(t)
		}
		check.Equal(t, logged, refused, "refused requests in the log")
		if n := log.Lines("requests were refused"); n != len(lines) || n < 5 || n > 7 {
			t.Errorf("%d lines in five minutes:\n%s", n, log.String())
		}
	})
}

// N4: the list of nodes says since when one does not serve.
func TestN4TheListOfNodesSaysSinceWhenOneDoesNotServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 2)
		visit := func() {
			_ = c.Send(t.Context(), func(_ context.Context, v *cluster.View) error { return v.SendVisit(pageOf(c, 0), 1).Wait() })
		}
		visit()
		check.Equal(t, c.Nodes(t.Context())[0].Since, time.Time{}, "the time of a node that serves")
		time.Sleep(time.Second)
		before := time.Now()
		nodes[0].away.Store(true)
		visit()
		after := time.Now()
		listed := c.Nodes(t.Context())
		if since := listed[0].Since; listed[0].Answers || since.Before(before) || since.After(after) {
			t.Errorf("%+v, want one that does not answer since %v to %v", listed[0], before, after)
		}
		check.Equal(t, listed[1].Since, time.Time{}, "the time of the other node")
		nodes[0].away.Store(false)
		visit()
		check.Equal(t, c.Nodes(t.Context())[0].Since, time.Time{}, "the time of a node that serves again")
		check.OK(t, c.Stop(t.Context()))
	})
}

// pageOf is a page that a node has.
func pageOf(c *cluster.Cluster, node int) counting.Page {
	v := c.View()
	for i := 0; ; i++ {
		if page := counting.Page("page/" + strconv.Itoa(i)); v.Owner(v.Arc(page)) == node {
			return page
		}
	}
}
