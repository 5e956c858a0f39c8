package history_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/history"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// node is a memory node with histories that the test sets.
type node struct {
	*localnode.Node

	mu        sync.Mutex
	state     counting.HistoryState
	histories map[counting.Page]counting.Packed
	older     time.Time // until then an older instance uses the node
	away      bool
	frozen    bool          // reads end with their contexts
	ahead     atomic.Int64  // its clock, in nanoseconds
	reads     *reads        // of all nodes
	parts     int           // that a pass compacts
	running   *int          // calls of Compact, of all nodes
	calls     []time.Time   // when calls of Compact began
	busy      time.Duration // that they took
	failing   int           // calls of Compact that fail
	full      int           // calls of DropHistory before there is room for batches, or steps if there is a floor
	noRoom    error         // of batches before that
	drops     []time.Time   // when calls of DropHistory began
	walk      int           // calls of a step
}

// reads are the nodes that were read, in their order.
type reads struct {
	mu    sync.Mutex
	nodes []counting.NodeID
}

func (r *reads) add(id counting.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = append(r.nodes, id)
}

// take returns them, and forgets them.
func (r *reads) take() []counting.NodeID {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.nodes = nil }()
	return r.nodes
}

// Apply refuses batches while there is no room.
func (n *node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.full > 0 {
		return counting.Receipt{}, n.noRoom
	}
	return n.Node.Apply(ctx, b)
}

var _ counting.Histories = (*node)(nil)

func (n *node) unreachable() error {
	if n.away {
		return fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	return nil
}

func (n *node) KeepHistory(_ context.Context, h counting.HistorySetting, since time.Time, change bool, _ counting.Clock) (counting.HistoryState, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.away:
		return counting.HistoryState{}, n.unreachable()
	case h.Unit == 0:
		if change {
			n.state = counting.HistoryState{Off: true}
		}
	case !n.state.Since.IsZero():
		if change {
			n.state.Setting = h
		}
	case (change || !n.state.Off) && !time.Now().Before(n.older):
		if since.IsZero() {
			since = time.Now()
		}
		n.state = counting.HistoryState{Setting: h, Since: since}
	}
	return n.state, nil
}

func (n *node) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (counting.PageHistory, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away {
		return counting.PageHistory{}, n.unreachable()
	}
	if n.frozen {
		n.mu.Unlock()
		<-ctx.Done()
		n.mu.Lock()
		return counting.PageHistory{}, ctx.Err()
	}
	n.reads.add(n.ID())
	parts, err := n.ReadParts(ctx, e, []counting.Located{page})
	if err != nil {
		return counting.PageHistory{}, err
	}
	return counting.PageHistory{Part: parts[0], History: n.histories[page.Page], State: n.state}, nil
}

func (n *node) Compact(_ context.Context, _ counting.Clock, cursor string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*n.running++
	defer func() { *n.running-- }()
	if *n.running > 1 {
		panic("several calls at a time")
	}
	n.calls = append(n.calls, time.Now())
	time.Sleep(3 * time.Millisecond)
	n.busy += 3 * time.Millisecond
	if n.failing > 0 {
		n.failing--
		return "", counting.ErrNotApplied
	}
	done, _ := strconv.Atoi(cursor)
	if done++; done == n.parts {
		return "", nil
	}
	return strconv.Itoa(done), nil
}

// DropHistory takes some calls. The first one moves the beginning on by an hour, or the floor to the middle of the time.
func (n *node) DropHistory(_ context.Context, _ counting.Clock, cursor string) (string, error) {
	time.Sleep(time.Millisecond)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drops = append(n.drops, time.Now())
	s := &n.state
	if cursor == "" || s.Floor.IsZero() {
		n.full--
	}
	switch {
	case cursor != "":
	case s.Floor.IsZero():
		s.Since = s.Since.Add(time.Hour)
	default:
		s.Floor = s.Setting.UnitAt(s.Floor.Add(time.Since(s.Floor) / 2)).Start()
		if s.Floor.After(s.Since) {
			s.Since = s.Floor
		}
	}
	done, _ := strconv.Atoi(cursor)
	if done++; done >= n.walk {
		return "", nil
	}
	return strconv.Itoa(done), nil
}

// hourly is the setting of the tests.
func hourly(t *testing.T) counting.HistorySetting {
	return check.Value(counting.ParseHistory("1h:32d,1d:400d"))(t)
}

// rig is a deployment of nodes with an instance. add is a node that the ring may add.
type rig struct {
	nodes   []*node
	add     *node
	cluster *cluster.Cluster
	visits  *visits.Service
	history *history.Service
	log     bytes.Buffer
	reads   reads
	running int
}

// scenario runs a test in virtual time, at 2000-01-01T00:00:00Z. The service is not started.
func scenario(t *testing.T, o history.Options, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{}
		var nodes []cluster.Node
		for i := range 3 {
			id := fmt.Sprintf("n%d", i+1)
			n := &node{
				histories: make(map[counting.Page]counting.Packed), parts: 10, walk: 2, reads: &r.reads, running: &r.running,
			}
			n.Node = localnode.New(localnode.Options{ID: counting.NodeID(id), Addr: id + ":6379", Now: func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }})
			if r.nodes = append(r.nodes, n); i < 2 {
				nodes = append(nodes, n)
			}
		}
		r.nodes, r.add = r.nodes[:2], r.nodes[2]
		log := slog.New(slog.NewTextHandler(&r.log, nil))
		r.cluster = cluster.New(cluster.Options{
			Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, KeyLimit: 1, Log: slog.New(slog.DiscardHandler),
			Dial: func(counting.NodeID, string) (cluster.Node, error) { return r.add, nil },
		})
		check.Must(t, r.cluster.Start(t.Context()))
		o.Cluster, o.Log = r.cluster, log
		r.visits, r.history = visits.New(r.cluster), history.New(o)
		test(t, r)
		check.Must(t, r.history.Stop(t.Context()))
		check.Must(t, r.history.Stop(t.Context()))
		check.Must(t, r.cluster.Stop(t.Context()))
	})
}

// elapse lets time pass, and waits until what it brings has been done: sleeping alone orders nothing.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// change fences all nodes for the ring after a change of the present one.
func (r *rig) change(t *testing.T, next *sharding.Ring, err error) *sharding.Ring {
	t.Helper()
	check.Must(t, err)
	for _, n := range append(r.nodes, r.add) {
		if next.Index(n.ID()) >= 0 {
			check.Value(n.Fence(t.Context(), next))(t)
		}
	}
	return next
}

// place counts a visit of a page in the hour of a time, at a node.
func (n *node) place(t *testing.T, page counting.Page, at time.Time) {
	n.histories[page] = n.histories[page].Append(counting.Bucket{Unit: hourly(t).UnitAt(at), Visits: 1})
}
