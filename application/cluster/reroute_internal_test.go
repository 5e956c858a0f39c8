package cluster

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
)

// S5, P1: a batch that was acknowledged by a node that has left goes to one that is full. It
// is applied all the same.
func TestAnAcknowledgedBatchIsReroutedToAFullNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := localnode.New(localnode.Options{ID: "n1", Addr: "n1:1"})
		c := New(Options{
			Nodes: []Node{node}, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, PageLimit: 1,
			Log: slog.New(slog.DiscardHandler), Lost: func(_ counting.NodeID, n int64) { t.Errorf("%d batches are lost", n) },
		})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.View().SendVisit("home", 1).Wait(); err != nil {
			t.Fatal(err)
		}
		c.reroute("n2", &counting.Batch{Visits: []counting.Visit{{Page: "acknowledged", Count: 1}}}, nil, true)
		time.Sleep(time.Second)
		v := c.View()
		got, err := node.Read(t.Context(), counting.Expected{Epoch: v.Epoch()}, []counting.Located{{Arc: v.Arc("acknowledged"), Page: "acknowledged"}})
		if err != nil || got[0].Visits != 1 {
			t.Errorf("the page has %+v, %v", got, err)
		}
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// P11: what was placed stays there when it is rerouted, also where other visits come at once. A page that was set begins
// then.
func TestP11ReroutedItemsStayWhereTheyWerePlaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := localnode.New(localnode.Options{ID: "n1", Addr: "n1:1"})
		c := New(Options{Nodes: []Node{node}, Length: counting.WindowLength(time.Minute), KeyLimit: 10, Log: slog.New(slog.DiscardHandler)})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		setting := counting.HistorySetting{Unit: time.Hour, SmallDays: 2, Days: 2}
		if _, err := node.KeepHistory(t.Context(), setting, now.Add(-5*time.Hour), false, counting.Clock{Now: now}); err != nil {
			t.Fatal(err)
		}
		at := now.Add(-3 * time.Hour)
		first := c.View().SendVisit("visit", 4)
		c.reroute("n2", &counting.Batch{
			At: at, Visits: []counting.Visit{{Page: "visit", Count: 1}},
			Keyed:     []counting.KeyedVisit{{Visit: counting.Visit{Page: "keyed", Count: 1}}},
			SetCounts: []counting.SetCount{{Page: "set", Count: 7}},
		}, nil, true)
		if err := first.Wait(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v := c.View()
		for _, page := range []counting.Page{"visit", "keyed"} {
			h, err := node.ReadHistory(t.Context(), counting.Expected{Epoch: v.Epoch()}, counting.Located{Arc: v.Arc(page), Page: page})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := h.Buckets(); err != nil || got[0] != (counting.Bucket{Unit: setting.UnitAt(at), Visits: 1}) {
				t.Errorf("%s has the buckets %v, %v", page, got, err)
			}
		}
		h, err := node.ReadHistory(t.Context(), counting.Expected{Epoch: v.Epoch()}, counting.Located{Arc: v.Arc("set"), Page: "set"})
		if begin := setting.UnitAt(at).Start(); err != nil || h.Visits != 7 || !h.Since().Equal(begin) {
			t.Errorf("the page that was set has %d visits, and a history since %v, %v; want one since %v", h.Visits, h.Since(), err, begin)
		}
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
