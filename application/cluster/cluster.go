// Package cluster joins the nodes of a deployment by its ring. It agrees on the ring at
// the start, follows and resolves changes of it, and routes items to the group commit of
// each node.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Node is a node of a deployment. Where there are several, each is also a
// counting.Movable, or each is a sharding.Hosted, whose ring never changes.
type Node interface {
	counting.Counts
	counting.Windows
	counting.Ledger
	counting.DeadLetters
	sharding.RingStore
}

// Options of a Cluster.
type Options struct {
	// Nodes are the configured nodes, at least one. Start is the first to read their
	// ids.
	Nodes []Node
	// Dial makes the node of a member that is not configured, without connecting
	// to it. Nil: there are no such members.
	Dial func(id counting.NodeID, addr string) (Node, error)
	// HangUp ends the connections of a node that Dial has made. Nil is a no-op.
	HangUp func(Node)
	// Move has a node connect to another address, where its server is from now on. Server
	// tells apart the servers that nodes are connected to. Nil: addresses can't change.
	Move   func(n Node, addr string)
	Server func(context.Context, Node) (string, error)
	// Length of the windows. Start fails if the deployment has another one.
	Length counting.WindowLength
	// Name of the deployment; "" is the default. Start fails if it has another one.
	Name string
	// MaxSkew is the greatest difference between the clocks of a node and of this
	// instance at which the node takes ids; 0 is counting.DefaultMaxSkew.
	MaxSkew time.Duration
	// EndpointLimit bounds the endpoints that a node stores for a window.
	EndpointLimit int
	// KeyLimit bounds the requests with an idempotency key of a node; 0 is none at all.
	// RecordLimit bounds all records of keys that it stores; 0 is no bound.
	KeyLimit, RecordLimit int
	// PageLimit bounds the pages of a node; 0 is no bound.
	PageLimit int
	// DiskReserve is how many bytes have to be free on the disk of an embedded node for
	// other pages and keys.
	DiskReserve int64
	Log         *slog.Logger
	// Observer returns the function to call after every flush of a node. Nil is a
	// no-op.
	Observer func(counting.NodeID) func(groupcommit.Flush)
	// Lost is called when acknowledged batches may be lost. Nil is a no-op.
	Lost func(node counting.NodeID, batches int64)
}

// Member is a node with its group commit, and Reads for single pages. Movable is nil if no
// arc moves from or to the node: then the ring is the first one (View.IsFixed). Histories is nil
// if the node keeps no history.
type Member struct {
	Node
	counting.Movable
	counting.Histories
	*groupcommit.Committer
	Reads  *groupcommit.Reader
	hosted sharding.Hosted // the node, nil if it is none
	clock  *clock
	// refusal is why the node answers no call, as it was last logged; nil if it does.
	refusal atomic.Pointer[refusal]
	// summary is that of the last poll that was answered.
	summary atomic.Pointer[sharding.RingSummary]
	fault   *fault
	refused refused
	room    room
}

// Deliveries are the deliveries of a window, by endpoint, as the node's ledger has them.
func (m *Member) Deliveries(ctx context.Context, w counting.Window) (map[string]counting.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	_, deliveries, err := m.Entry(ctx, w)
	return deliveries, err
}

// Cluster follows the ring. Its methods are safe for concurrent use.
type Cluster struct {
	opts Options
	view atomic.Pointer[View]

	ctx        context.Context // of the background work; ends with Stop
	cancel     context.CancelFunc
	background sync.WaitGroup
	alarm      chan struct{} // capacity 1: a change is under way, so watch it
	full       chan struct{} // capacity 1: a node has no room

	mu sync.Mutex
	// members are all nodes that are configured, or were ever in the ring. A batch
	// in doubt is resolved where it was sent. A node that has left may be the only
	// one that knows the newer ring.
	members map[counting.NodeID]*Member
	// deployment is that of the first ring, which every call means from then on.
	deployment string
	started    bool
	following  chan struct{} // closed when the search for a newer ring has ended; nil without a search
}

// New makes a cluster; Start connects it.
func New(o Options) *Cluster {
	o.Name = cmp.Or(o.Name, counting.DefaultName)
	o.MaxSkew = cmp.Or(o.MaxSkew, counting.DefaultMaxSkew(o.Length))
	c := &Cluster{opts: o, members: make(map[counting.NodeID]*Member, len(o.Nodes)), alarm: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// register makes members of the configured nodes, whose ids are final by now.
func (c *Cluster) register() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.opts.Nodes {
		id := n.ID()
		if c.members[id] != nil {
			return fmt.Errorf("node %s is configured twice", id)
		}
		c.members[id] = c.newMember(n)
	}
	return nil
}

func (c *Cluster) newMember(n Node) *Member {
	if c.deployment != "" {
		n.Bind(c.deployment)
	}
	m := &Member{
		Node:  n,
		clock: &clock{node: n.ID(), addr: n.Addr, maxSkew: c.opts.MaxSkew, log: c.opts.Log},
		fault: &fault{node: n.ID(), addr: n.Addr, log: c.opts.Log},
	}
	o := groupcommit.Options{
		Node:  n,
		Epoch: func() counting.Epoch { return c.View().Epoch() },
		Since: func() counting.Epoch {
			since, _ := c.View().Since(n.ID())
			return since
		},
		Remembers:     func(ctx context.Context, e counting.Epoch) (bool, error) { return remembers(ctx, n, e) },
		EndpointLimit: c.opts.EndpointLimit,
		MaxSkew:       c.opts.MaxSkew,
		KeyLimit:      c.opts.KeyLimit,
		RecordLimit:   c.opts.RecordLimit,
		PageLimit:     c.opts.PageLimit,
		DiskReserve:   c.opts.DiskReserve,
		Refused:       m.NoteRefused,
		CatchUp:       func(ctx context.Context) { c.catchUp(ctx, c.View().Ring, n) },
		Lost:          func(batches int64) { c.lost(n.ID(), batches) },
		Orphaned: func(b *counting.Batch, refused []counting.Refusal, acknowledged bool) {
			c.reroute(n.ID(), b, refused, acknowledged)
		},
	}
	observe := func(groupcommit.Flush) {}
	if c.opts.Observer != nil {
		observe = c.opts.Observer(n.ID())
	}
	o.Observe = func(f groupcommit.Flush) {
		m.fault.flushed(f)
		c.noteRoom(m, f.Err)
		observe(f)
	}
	o.MakesRoom = m.room.isMade
	m.Movable, _ = n.(counting.Movable)
	m.Histories, _ = n.(counting.Histories)
	if m.hosted, _ = n.(sharding.Hosted); m.hosted != nil {
		boundHosted(&o, len(c.opts.Nodes))
	}
	m.Committer = groupcommit.New(o)
	m.Reads = groupcommit.NewReader(m.Committer)
	return m
}

// remembers tells whether a node has been in the ring since an epoch, without being
// emptied. It asks the node, whose ring may be newer than the view.
func remembers(ctx context.Context, n Node, epoch counting.Epoch) (bool, error) {
	s, err := n.RingState(ctx)
	if err != nil || s.Opened == nil {
		return false, err
	}
	since, _ := s.Opened.Since(n.ID()) // a node that is not in the ring it opened was there before
	return since <= epoch, nil
}

func (c *Cluster) lost(node counting.NodeID, batches int64) {
	c.opts.Log.Error("node lost acknowledged batches", "node", node, "batches", batches)
	if c.opts.Lost != nil {
		c.opts.Lost(node, batches)
	}
}

// Start agrees on a ring with the nodes, and with other instances that start
// simultaneously, and watches it from then on. At the first start of a deployment every
// node has to answer. Later, nodes may be down.
func (c *Cluster) Start(ctx context.Context) error {
	if err := c.register(); err != nil {
		return err
	}
	ring, err := c.agree(ctx)
	if err != nil {
		return err
	}
	if err := c.adopt(ring); err != nil {
		return err
	}
	// A configured node may have left the ring long ago.
	for newer := true; newer; {
		newer, err = c.findNewer(ctx)
		if err != nil {
			return err
		}
	}
	for _, n := range c.opts.Nodes {
		if c.View().Index(n.ID()) < 0 {
			c.opts.Log.Warn("configured node is not in the stored ring, and is not used", "node", n.ID())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = true
	for _, m := range c.members {
		m.Committer.Start()
	}
	if c.ctx.Err() == nil {
		c.background.Go(c.watch)
	}
	return nil
}

// Stop refuses new items and flushes accepted ones.
func (c *Cluster) Stop(ctx context.Context) error {
	members := c.known()
	all := stopAll(ctx, members)
	c.mu.Lock()
	c.cancel() // no background work begins after this
	c.mu.Unlock()
	late := slices.DeleteFunc(c.known(), func(m *Member) bool { return slices.Contains(members, m) })
	all = errors.Join(all, stopAll(ctx, late))
	c.background.Wait()
	for _, m := range c.known() {
		c.logRefused(m, true)
	}
	return all
}

func stopAll(ctx context.Context, members []*Member) error {
	var wg sync.WaitGroup
	errs := make([]error, len(members))
	for i, m := range members {
		wg.Go(func() {
			if err := m.Committer.Stop(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", m.ID(), err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// View is the current view; nil before Start.
func (c *Cluster) View() *View { return c.view.Load() }

// Queued is the number of waiting items of each node.
func (c *Cluster) Queued() map[counting.NodeID]int {
	q := make(map[counting.NodeID]int)
	for _, m := range c.known() {
		q[m.ID()] = m.Queued()
	}
	return q
}
