package pagestats_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/pagestats"
	"footfall/application/resharding"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a deployment of nodes in memory in virtual time, with an account of its own.
type world struct {
	t       *testing.T
	cluster *cluster.Cluster
	visits  *visits.Service
	ring    *resharding.Service
	stats   *pagestats.Service
	log     strings.Builder
	account map[string]int64
	refused []bool

	mu            sync.Mutex
	lists         []listCall
	takes         time.Duration                           // a call of List
	historyTakes  time.Duration                           // one of ListHistories, if it is longer
	began         map[counting.NodeID]time.Time           // when histories of nodes begin, if not as they say
	fault         func(counting.NodeID) error             // of the call
	alter         func([]counting.Visit) []counting.Visit // what it returns
	alterHistory  func(counting.HistoryList)
	hold          chan struct{} // arcs are claimed when it is closed
	scans, failed int
	behind        time.Duration // the clocks of all nodes
}

// listCall is a call of List.
type listCall struct {
	node         counting.NodeID
	began, ended time.Time
	histories    bool // it read them
}

// node is a memory node whose List is that of a world.
type node struct {
	*localnode.Node
	world *world
}

func (n *node) List(ctx context.Context, e counting.Expected, cursor string) ([]counting.Visit, string, error) {
	if err := n.called(ctx, false); err != nil {
		return nil, "", err
	}
	pages, next, err := n.Node.List(ctx, e, cursor)
	n.world.mu.Lock()
	alter := n.world.alter
	n.world.mu.Unlock()
	if alter != nil {
		pages = alter(pages)
	}
	return pages, next, err
}

func (n *node) ListHistories(ctx context.Context, e counting.Expected, cursor string) (counting.HistoryList, string, error) {
	if err := n.called(ctx, true); err != nil {
		return counting.HistoryList{}, "", err
	}
	l, next, err := n.Node.ListHistories(ctx, e, cursor)
	n.world.set(func() {
		if n.world.alterHistory != nil {
			n.world.alterHistory(l)
		}
		if at, given := n.world.began[n.ID()]; given {
			l.State.Since = at
		}
	})
	return l, next, err
}

// called takes its time, and notes a call.
func (n *node) called(ctx context.Context, histories bool) error {
	w := n.world
	w.mu.Lock()
	takes, fault := w.takes, w.fault
	if histories {
		takes = max(takes, w.historyTakes)
	}
	w.mu.Unlock()
	began := time.Now()
	cluster.Pause(ctx, takes)
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lists = append(w.lists, listCall{n.ID(), began, time.Now(), histories})
	}()
	if fault != nil {
		return fault(n.ID())
	}
	return nil
}

// ClaimArcs waits for the hold of the world.
func (n *node) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	n.world.mu.Lock()
	hold := n.world.hold
	n.world.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return n.Node.ClaimArcs(ctx, table, arcs)
}

// scenario runs a test of three nodes.
func scenario(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, account: make(map[string]int64)}
		nodes := make(map[counting.NodeID]*node)
		of := func(id counting.NodeID) cluster.Node {
			w.mu.Lock()
			defer w.mu.Unlock()
			if nodes[id] == nil {
				nodes[id] = &node{localnode.New(localnode.Options{ID: id, Addr: string(id) + ":1", Now: w.now}), w}
			}
			return nodes[id]
		}
		w.start([]cluster.Node{of("n1"), of("n2"), of("n3")}, of)
		test(t, w)
	})
}

// start starts an instance, which ends with the test.
func (w *world) start(nodes []cluster.Node, of func(counting.NodeID) cluster.Node) {
	w.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	w.cluster = cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: quiet, MaxSkew: 1000 * time.Hour,
		Dial: func(id counting.NodeID, _ string) (cluster.Node, error) { return of(id), nil },
	})
	check.Must(w.t, w.cluster.Start(w.t.Context()))
	w.use(w.cluster)
	w.ring = resharding.New(resharding.Options{Cluster: w.cluster, Log: quiet, Locate: func(where string, _ []sharding.Member) (counting.NodeID, string, error) {
		return counting.NodeID(where[:len(where)-2]), where, nil
	}})
	check.Must(w.t, w.ring.Start(w.t.Context()))
	w.t.Cleanup(func() {
		check.OK(w.t, w.stats.Stop(context.Background()))
		_ = w.ring.Stop(context.Background())
		_ = w.cluster.Stop(context.Background())
	})
}

// use makes the services on a cluster.
func (w *world) use(c *cluster.Cluster) {
	w.visits = visits.New(c)
	w.stats = pagestats.New(pagestats.Options{
		Cluster: c, Share: 8, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Refused: func(share bool) { w.refused = append(w.refused, share) },
		Scanned: func(_ time.Duration, err error) {
			w.set(func() {
				if w.scans++; err != nil {
					w.failed++
				}
			})
		},
	})
}

// now is the time of the nodes.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(-w.behind)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// count records visits of n pages with a prefix, in the account as well.
func (w *world) count(prefix string, n int) {
	w.t.Helper()
	var all []counting.Visit
	for i := range n {
		v := counting.Visit{Page: counting.Page(fmt.Sprint(prefix, i)), Count: int64(i%7 + 1)}
		all = append(all, v)
		w.account[string(v.Page)] += v.Count
	}
	for _, err := range w.visits.RecordAll(w.t.Context(), all) {
		check.Must(w.t, err)
	}
}

// ask asks for a prefix.
func (w *world) ask(prefix string) (counting.PageStats, error) {
	return w.askFor(counting.PageQuery{Prefix: prefix})
}

func (w *world) askFor(q counting.PageQuery) (counting.PageStats, error) {
	return w.stats.Stats(w.t.Context(), netip.Prefix{}, q)
}

// await asks for a prefix until its numbers are known.
func (w *world) await(prefix string) counting.PageStats {
	w.t.Helper()
	return w.awaitFor(counting.PageQuery{Prefix: prefix})
}

func (w *world) awaitFor(q counting.PageQuery) counting.PageStats {
	w.t.Helper()
	for range 1000 {
		stats, err := w.askFor(q)
		if err == nil {
			return stats
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("the numbers of %v are not known", q)
	return counting.PageStats{}
}

// want fails the test unless numbers are those of the account.
func (w *world) want(got counting.PageStats, prefix string) {
	w.t.Helper()
	var names []string
	sum := int64(0)
	for name, count := range w.account {
		if strings.HasPrefix(name, prefix) {
			names, sum = append(names, name), sum+count
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if w.account[a] != w.account[b] {
			return int(w.account[b] - w.account[a])
		}
		return strings.Compare(a, b)
	})
	if got.Pages != int64(len(names)) || got.Visits != sum {
		w.t.Errorf("%q has %d pages and %d visits, want %d and %d", prefix, got.Pages, got.Visits, len(names), sum)
	}
	check.Equal(w.t, len(got.Top), min(len(names), counting.MaxTop), "pages of the top of %q", prefix)
	for i, v := range got.Top {
		if string(v.Page) != names[i] || v.Count != w.account[names[i]] {
			w.t.Fatalf("place %d of %q is %s with %d, want %s with %d", i, prefix, v.Page, v.Count, names[i], w.account[names[i]])
		}
	}
}

// called are the calls of List so far, by node.
func (w *world) called() map[counting.NodeID][]listCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	by := make(map[counting.NodeID][]listCall)
	for _, c := range w.lists {
		by[c.node] = append(by[c.node], c)
	}
	return by
}

// calls is the number of calls of List so far.
func (w *world) calls() (n int) {
	for _, calls := range w.called() {
		n += len(calls)
	}
	return n
}

// histories is the number of calls so far that read histories.
func (w *world) histories() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.lists {
		if c.histories {
			n++
		}
	}
	return n
}

// wantGentle fails the test if calls took more than 5 % of the time of a node, from a
// call's beginning to that of the next one, or overlapped.
func (w *world) wantGentle() {
	w.t.Helper()
	by := w.called()
	for _, id := range slices.Sorted(maps.Keys(by)) {
		calls := by[id]
		for i := range calls[1:] {
			took, until := calls[i].ended.Sub(calls[i].began), calls[i+1].began.Sub(calls[i].began)
			if until < 20*took {
				w.t.Fatalf("%s: call %d took %v, and the next came %v after its beginning", id, i, took, until)
			}
		}
	}
}
