package resharding_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// deployment is some memory nodes, by their ids, and an instance.
type deployment struct {
	nodes   map[counting.NodeID]*localnode.Node
	cluster *cluster.Cluster
	visits  *visits.Service
	ring    *resharding.Service
}

func (d *deployment) node(id counting.NodeID) *localnode.Node {
	if d.nodes[id] == nil {
		d.nodes[id] = localnode.New(localnode.Options{ID: id, Addr: string(id) + ":1"})
	}
	return d.nodes[id]
}

// newDeployment starts an instance on n nodes, which ends with the test.
func newDeployment(t *testing.T, n int) *deployment {
	t.Helper()
	return newDeploymentOf(t, n, func(n *localnode.Node) cluster.Node { return n })
}

// newDeploymentOf has something around its nodes.
func newDeploymentOf(t *testing.T, n int, around func(*localnode.Node) cluster.Node) *deployment {
	t.Helper()
	d := &deployment{nodes: make(map[counting.NodeID]*localnode.Node)}
	var nodes []cluster.Node
	for i := range n {
		nodes = append(nodes, around(d.node(counting.NodeID(fmt.Sprint("n", i+1)))))
	}
	log := slog.New(slog.DiscardHandler)
	d.cluster = cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: log,
		Dial: func(id counting.NodeID, _ string) (cluster.Node, error) { return around(d.node(id)), nil },
	})
	check.Must(t, d.cluster.Start(t.Context()))
	d.visits = visits.New(d.cluster)
	d.ring = resharding.New(resharding.Options{
		Cluster: d.cluster, Log: log,
		Locate: func(where string, _ []sharding.Member) (counting.NodeID, string, error) {
			return counting.NodeID(where[:len(where)-2]), where, nil
		},
	})
	check.Must(t, d.ring.Start(t.Context()))
	t.Cleanup(func() {
		_ = d.ring.Stop(context.Background())
		_ = d.cluster.Stop(context.Background())
	})
	return d
}

// another is another instance of the deployment, with something around its nodes.
func (d *deployment) another(t *testing.T, around func(*localnode.Node) cluster.Node) *deployment {
	t.Helper()
	var nodes []cluster.Node
	for _, m := range d.cluster.View().Members() {
		nodes = append(nodes, around(d.node(m.ID)))
	}
	other := &deployment{nodes: d.nodes, cluster: cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: slog.New(slog.DiscardHandler),
	})}
	check.Must(t, other.cluster.Start(t.Context()))
	t.Cleanup(func() { _ = other.cluster.Stop(context.Background()) })
	return other
}

// stopMovers stops the instance's movers. d.ring.Start starts others.
func (d *deployment) stopMovers(t *testing.T) {
	t.Helper()
	check.Must(t, d.ring.Stop(t.Context()))
	d.ring = resharding.New(d.ring.Options)
}

func (d *deployment) resolve(t *testing.T) sharding.Status {
	t.Helper()
	for range 600 {
		st := d.ring.Status(t.Context())
		if st.Moves.Left == 0 && st.Fence == st.Epoch {
			return st
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("the ring does not settle: %+v", d.ring.Status(t.Context()).Moves)
	return sharding.Status{}
}

// count gives page i of so many i+1 visits.
func (d *deployment) count(t *testing.T, pages int) {
	t.Helper()
	for i := range pages {
		check.Must(t, d.visits.Record(t.Context(), counting.Page(fmt.Sprint(i)), int64(i+1)))
	}
}

// wantCounted wants the pages to have what count gave them.
func (d *deployment) wantCounted(t *testing.T, pages int) {
	t.Helper()
	for i := range pages {
		d.wantVisits(t, counting.Page(fmt.Sprint(i)), int64(i+1))
	}
}

func (d *deployment) wantVisits(t *testing.T, page counting.Page, want int64) {
	t.Helper()
	if got := d.visits.Read(t.Context(), []counting.Page{page})[0]; got.Err != nil || got.Visits != want {
		t.Errorf("%s reads %d, %v; want %d", page, got.Visits, got.Err, want)
	}
}

// P4: counts go where the ring says, there and back, and a removed node is
// forgotten when its windows are done.
func TestANodeComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 2)
		const pages = 300
		d.count(t, pages)
		dry, err := d.ring.Add(t.Context(), "n3:1", 1, true)
		if err != nil || dry.Arcs != sharding.Arcs/3 || d.cluster.View().Epoch() != 1 {
			t.Errorf("dry run: %v %v", dry, err)
		}
		plan, err := d.ring.Add(t.Context(), "n3:1", 1, false)
		if err != nil || plan.Arcs != dry.Arcs || plan.Nodes["n3"] != dry.Arcs {
			t.Errorf("plan: %v %v", plan, err)
		}
		check.Is(t, check.Err(d.ring.Reweight(t.Context(), "n1", 2, false)), sharding.ErrBusy, "a change while arcs are moving")
		if st := d.resolve(t); st.Moves.Pages == 0 || st.Moves.Total != plan.Arcs {
			t.Errorf("moved: %+v", st.Moves)
		}
		check.Value(d.ring.Remove(t.Context(), "n1", false))(t)
		d.resolve(t)
		d.wantCounted(t, pages)
		newCounter(t, d).pass(t, 7)
		if v := d.cluster.View(); v.Index("n1") >= 0 || v.Tables() != 1 {
			t.Errorf("members %v, %d tables", v.Members(), v.Tables())
		}
		check.Is(t, check.Err(d.ring.Add(t.Context(), "n1:1", 1, false)), sharding.ErrNotEmpty, "a node that was in the ring came back")
	})
}

// F1: a server of another deployment is not added, even if its first start was interrupted,
// and nothing of it changes.
func TestF1ANodeOfAnotherDeploymentIsNotAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 1)
		other := check.Value(sharding.New("elsewhere", 7, d.cluster.View().Length(), "first", []sharding.Member{{ID: "n2", Addr: "n2:1", Weight: 1}}))(t)
		n := d.node("n2")
		check.Value(n.Fence(t.Context(), other))(t)
		for range 2 {
			err := check.Err(d.ring.Add(t.Context(), "n2:1", 1, false))
			check.Is(t, err, sharding.ErrNotEmpty)
			check.Says(t, err, "another deployment")
			n.Bind("elsewhere")
			check.Equal(t, check.Value(n.RingState(t.Context()))(t).Fenced.ChangeID(), "first", "what the server stores")
			check.Must(t, n.Open(t.Context(), other))
			n.Bind(d.cluster.View().Deployment())
		}
	})
}

// S2: an arc with a page whose sum does not fit moves on. The page gets the maximum,
// the excess is reported, and the next change is possible.
func TestS2AnArcWithAPageThatOverflowsMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 1)
		v := d.cluster.View()
		next, err := v.Add(sharding.Change{}, sharding.Member{ID: "n2", Addr: "n2:1", Weight: 1})
		check.Must(t, err)
		arc := next.Moves()[0].Arc
		page := counting.Page("")
		for i := 0; page == ""; i++ {
			if p := counting.Page(fmt.Sprint("page/", i)); v.Arc(p) == arc {
				page = p
			}
		}
		check.Must(t, d.visits.Record(t.Context(), page, math.MaxInt64-1))
		d.stopMovers(t) // what comes next is faster than they are
		check.Value(d.ring.Add(t.Context(), "n2:1", 1, false))(t)
		check.Must(t, d.visits.Record(t.Context(), page, 5))
		reads := func() {
			t.Helper()
			got := d.visits.Read(t.Context(), []counting.Page{page})[0]
			check.Must(t, got.Err)
			check.Equal(t, got.Visits, math.MaxInt64, "visits of the page")
		}
		reads() // both parts
		check.Must(t, d.ring.Start(t.Context()))
		time.Sleep(10 * time.Minute)
		st := d.ring.Status(t.Context())
		if st.Moves.Left != 0 || len(st.Moves.Stuck) != 0 || st.Moves.Excess != 1 {
			t.Fatalf("left %d, stuck %v, %d pages with an excess", st.Moves.Left, st.Moves.Stuck, st.Moves.Excess)
		}
		reads()
		check.Must(t, d.ring.Repair(t.Context()))
		want := sharding.Orphan{Node: "n2", Orphan: counting.Orphan{Arc: arc, Table: d.cluster.View().Table(), Excess: true, Pages: 1}}
		if got := d.ring.Status(t.Context()).Sweep.Orphans; len(got) != 1 || got[0] != want {
			t.Errorf("orphans are %+v, want %+v", got, want)
		}
		check.Value(d.ring.Reweight(t.Context(), "n2", 2, false))(t)
	})
}

// P3: a node that came back empty is abandoned only by name, and its
// windows are lost.
func TestANodeThatCameBackEmptyIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		u := newCounter(t, d)
		check.Must(t, check.Err(u.Accept(t.Context(), netip.Prefix{}, 7, "")))
		w := counting.WindowLength(time.Minute).At(time.Now())
		check.Is(t, check.Err(d.ring.Abandon(t.Context(), false, "n1")), sharding.ErrAnswers, "a node that answers is abandoned")
		d.nodes["n1"].Restore(localnode.Snapshot{})
		check.Is(t, check.Err(d.ring.Remove(t.Context(), "n1", false)), counting.ErrUnavailable, "an empty node is drained")
		if st := d.ring.Status(t.Context()); st.Nodes[0].Away == "" {
			t.Errorf("status: %+v", st.Nodes[0])
		}
		check.Value(d.ring.Abandon(t.Context(), false, "n1"))(t)
		st := d.resolve(t)
		if len(st.Losses) != 1 || st.Losses[0].Node != "n1" || st.Nodes[0].State != sharding.Lost {
			t.Errorf("status: %+v", st)
		}
		time.Sleep(2 * time.Minute)
		_ = u.Scan(t.Context())
		windows := check.Value(u.Windows(t.Context(), 10))(t)
		lost := false
		for _, s := range windows {
			lost = lost || s.ID == counting.WindowLength(time.Minute).Name(w) && s.State == counting.Lost
			if s.Start.Year() < 2000 {
				t.Errorf("a window that never was is shown: %+v", s)
			}
		}
		if !lost {
			t.Errorf("the window is not shown as lost: %+v", windows)
		}
	})
}
