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
