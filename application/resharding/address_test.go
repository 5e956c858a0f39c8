package resharding_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// network has servers at addresses. Those that are off refuse connections.
type network struct {
	mu  sync.Mutex
	at  map[string]*localnode.Node
	off map[string]bool
	// say is what a server says to every call, after its answer is thrown away.
	say map[string]error
}

// newNetwork has n1 at n1:1, and so on.
func newNetwork(n int) *network {
	w := &network{at: make(map[string]*localnode.Node), off: make(map[string]bool), say: make(map[string]error)}
	for i := range n {
		w.serve(counting.NodeID(fmt.Sprint("n", i+1)), fmt.Sprintf("n%d:1", i+1), localnode.Snapshot{})
	}
	return w
}

// serve starts a server at an address, with what another one had.
func (w *network) serve(id counting.NodeID, addr string, data localnode.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[addr] = localnode.New(localnode.Options{ID: id, Addr: addr})
	w.at[addr].Restore(data)
	w.off[addr] = false
}

// stop turns the server at an address off, and returns what it had.
func (w *network) stop(addr string) localnode.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off[addr] = true
	return w.at[addr].Snapshot()
}

func (w *network) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// dial connects to the server at an address. before, unless it is nil, is asked before each
// call.
func (w *network) dial(id counting.NodeID, addr string, before func(addr string, c chaos.Call) error) *chaos.Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	far := w.at[addr]
	if far == nil {
		far = localnode.New(localnode.Options{ID: id, Addr: addr})
		w.at[addr], w.off[addr] = far, true
	}
	if far.ID() != id { // calls of another node are refused by its store
		owner := far
		far = localnode.New(localnode.Options{ID: id, Addr: addr})
		far.Restore(owner.Snapshot())
	}
	l := &chaos.Link{Far: far}
	l.Around = func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		w.mu.Lock()
		off, says := w.off[l.Addr()], w.say[l.Addr()]
		w.mu.Unlock()
		if off {
			return nil, fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
		}
		if before != nil {
			if err := before(l.Addr(), c); err != nil {
				return nil, err
			}
		}
		v, err := do(ctx)
		if says != nil {
			return nil, says
		}
		return v, err
	}
	return l
}

// start starts an instance with a list of addresses, of n1, n2 and so on.
func (w *network) start(t *testing.T, before func(addr string, c chaos.Call) error, addrs ...string) *deployment {
	t.Helper()
	var nodes []cluster.Node
	for i, addr := range addrs {
		nodes = append(nodes, w.dial(counting.NodeID(fmt.Sprint("n", i+1)), addr, before))
	}
	log := slog.New(slog.DiscardHandler)
	d := &deployment{cluster: cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: log,
		Dial: func(id counting.NodeID, addr string) (cluster.Node, error) { return w.dial(id, addr, before), nil },
		Move: func(n cluster.Node, addr string) {
			n.(*chaos.Link).Move(w.dial(n.ID(), addr, before).Far)
		},
		Server: func(_ context.Context, n cluster.Node) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return fmt.Sprintf("%p", w.at[n.Addr()]), nil
		},
	})}
	check.Must(t, d.cluster.Start(t.Context()))
	d.visits = visits.New(d.cluster)
	d.ring = resharding.New(resharding.Options{
		Cluster: d.cluster, Log: log,
		Locate: func(where string, _ []sharding.Member) (counting.NodeID, string, error) { return "", where, nil },
	})
	check.Must(t, d.ring.Start(t.Context()))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.ring.Stop(now)
		_ = d.cluster.Stop(now)
	})
	return d
}

// lists are the addresses of a ring of three nodes, and those after n1 has moved.
var former, present = []string{"n1:1", "n2:1", "n3:1"}, []string{"n1:7", "n2:1", "n3:1"}

// P1, P2, P4: the server of a node is at another address, with its data. All instances
// follow, also those that start with the old list or the new one, and nothing is counted
// twice or lost.
func TestANodeGoesOnAtAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		a, b := w.start(t, nil, former...), w.start(t, nil, former...)
		const pages = 100
		a.count(t, pages)
		w.serve("n1", "n1:7", w.stop("n1:1"))
		dry, err := a.ring.MoveAddress(t.Context(), "n1", "n1:7", true)
		if err != nil || dry.Arcs != 0 || dry.Epoch != 2 || a.cluster.View().Epoch() != 1 {
			t.Errorf("dry run: %+v, %v", dry, err)
		}
		plan := check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		if plan.Arcs != 0 || plan.Epoch != 2 {
			t.Errorf("the plan is %+v", plan)
		}
		check.Is(t, check.Err(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false)), sharding.ErrBadChange, "it is repeated")
		time.Sleep(5 * time.Second)
		for name, d := range map[string]*deployment{
			"its coordinator": a, "another instance": b, "one with the old list": w.start(t, nil, former...), "one with the new list": w.start(t, nil, present...),
		} {
			d.wantCounted(t, pages)
			check.Must(t, d.visits.Record(t.Context(), "all", 1), "%s", name)
			check.Equal(t, d.cluster.View().Nodes[0].Addr(), "n1:7", "the address that %s uses", name)
			if st := d.ring.Status(t.Context()); st.Nodes[0].Addr != "n1:7" || st.Nodes[0].Away != "" {
				t.Errorf("%s: %+v", name, st.Nodes[0])
			}
		}
		a.wantVisits(t, "all", 4)
	})
}

// P1, P2: batches that the copy has are not counted again, those that it lacks are repeated:
// one whose answer was lost, and some that were answered.
func TestBatchesAreRepeatedAtTheNewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(3)
		var lose sync.Map // addresses whose batches get no answer
		a := w.start(t, nil, former...)
		b := w.start(t, func(addr string, c chaos.Call) error {
			if _, lost := lose.Load(addr); lost && c.Method == "apply" {
				_, _ = w.at[addr].Apply(t.Context(), c.Batch)
				return chaos.ErrCut
			}
			return nil
		}, former...)
		page := counting.Page("")
		for i := 0; page == ""; i++ {
			if p := counting.Page(fmt.Sprint("page/", i)); a.cluster.View().Owner(a.cluster.View().Arc(p)) == 0 {
				page = p
			}
		}
		for _, d := range []*deployment{a, b} {
			check.Must(t, d.visits.Record(t.Context(), page, 1))
		}
		copied := w.at["n1:1"].Snapshot()
		for range 3 {
			check.Must(t, a.visits.Record(t.Context(), page, 10)) // in no copy
		}
		lose.Store("n1:1", true)
		check.Is(t, b.visits.Record(t.Context(), page, 100), counting.ErrInDoubt, "the visit whose answer is lost")
		w.stop("n1:1")
		w.serve("n1", "n1:7", copied)
		check.Value(a.ring.MoveAddress(t.Context(), "n1", "n1:7", false))(t)
		time.Sleep(5 * time.Second)
		a.wantVisits(t, page, 132)

		// The next copy has the batch in doubt.
		lose.Store("n1:7", true)
		check.Is(t, b.visits.Record(t.Context(), page, 1000), counting.ErrInDoubt, "the visit whose answer is lost")
		w.serve("n1", "n1:8", w.stop("n1:7"))
		check.Value(b.ring.MoveAddress(t.Context(), "n1", "n1:8", false))(t)
		time.Sleep(5 * time.Second)
		b.wantVisits(t, page, 1132)
	})
}

// V17, P4: arcs that were moving when the server stopped move on at its new address.
func TestArcsMoveOnAtTheNewAddress(t *testing.T) {
	for _, id := range []counting.NodeID{"n1", "n4"} {
		synctest.Test(t, func(t *testing.T) {
			w := newNetwork(4)
			w.set(func() { w.at["n4:1"].Restore(localnode.Snapshot{}) })
			var fast atomic.Bool
			a := w.start(t, func(_ string, c chaos.Call) error {
				if c.Method == "closearc" && !fast.Load() {
					time.Sleep(50 * time.Millisecond)
				}
				return nil
			}, former...)
			const pages = 300
			a.count(t, pages)
			a.ring.Locate = func(where string, _ []sharding.Member) (counting.NodeID, string, error) {
				return counting.NodeID(where[:2]), where, nil
			}
			check.Value(a.ring.Add(t.Context(), "n4:1", 1, false))(t)
			time.Sleep(time.Second)
			w.serve(id, string(id)+":7", w.stop(string(id)+":1"))
			fast.Store(true)
			if m := a.ring.Status(t.Context()).Moves; m.Arcs == 0 || m.Left == 0 {
				t.Fatalf("%d arcs had moved, and %d had not", m.Arcs, m.Left)
			}
			check.Value(a.ring.MoveAddress(t.Context(), id, string(id)+":7", false))(t)
			a.resolve(t)
			a.wantCounted(t, pages)
		})
	}
}
