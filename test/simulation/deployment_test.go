package simulation_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// deployment is memory nodes, two instances on them, of which the first moves
// the arcs, and what was written.
type deployment struct {
	*testing.T
	sent      *chaos.Tally // calls, by what they are for
	mu        sync.Mutex
	nodes     map[counting.NodeID]*localnode.Node
	instances [2]*cluster.Cluster
	ring      *resharding.Service
	pages     []counting.Page
	wrote     []atomic.Int64 // by page
}

func (d *deployment) node(id counting.NodeID) *localnode.Node {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nodes[id] == nil {
		d.nodes[id] = localnode.New(localnode.Options{ID: id, Addr: string(id)})
	}
	return d.nodes[id]
}

func (d *deployment) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// start starts the instances on n nodes of equal weight, and visits every page.
func start(t *testing.T, n, pages int) *deployment {
	d := &deployment{T: t, sent: chaos.NewTally(), nodes: make(map[counting.NodeID]*localnode.Node), wrote: make([]atomic.Int64, pages)}
	var members []sharding.Member
	for i := range n {
		members = append(members, sharding.Member{ID: counting.NodeID(fmt.Sprint("n", i)), Addr: fmt.Sprint("n", i), Weight: 1})
	}
	ring, err := sharding.New("simulation", 1, counting.WindowLength(time.Minute), "first", members)
	d.must(err)
	dial := func(id counting.NodeID, _ string) (cluster.Node, error) { return newLink(d.node(id), d.sent), nil }
	var nodes []cluster.Node
	for _, m := range ring.Members() {
		_, err := d.node(m.ID).Fence(t.Context(), ring)
		d.must(err)
		d.must(d.node(m.ID).Open(t.Context(), ring))
		nodes = append(nodes, newLink(d.node(m.ID), d.sent))
	}
	log := slog.New(slog.DiscardHandler)
	for i := range d.instances {
		d.instances[i] = cluster.New(cluster.Options{Nodes: nodes, Dial: dial, Length: ring.Length(), EndpointLimit: 10, Log: log})
		d.must(d.instances[i].Start(t.Context()))
	}
	locate := func(where string, _ []sharding.Member) (counting.NodeID, string, error) {
		return counting.NodeID(where), where, nil
	}
	d.ring = resharding.New(resharding.Options{Cluster: d.instances[0], Log: log, Locate: locate})
	d.must(d.ring.Start(t.Context()))
	for i := range pages {
		d.pages = append(d.pages, counting.Page(fmt.Sprint("page/", i)))
	}
	d.inChunks(d.visit)
	return d
}

func (d *deployment) stop() {
	d.must(d.ring.Stop(context.Background()))
	for _, c := range d.instances {
		d.must(c.Stop(context.Background()))
	}
}

func (d *deployment) inChunks(do func(from, to int)) {
	const chunk = 10_000 // all of it may wait for one node
	for from := 0; from < len(d.pages); from += chunk {
		do(from, min(from+chunk, len(d.pages)))
	}
}

func (d *deployment) visit(from, to int) {
	var all []counting.Visit
	for i := from; i < to; i++ {
		all = append(all, counting.Visit{Page: d.pages[i], Count: 1})
		d.wrote[i].Add(1)
	}
	for _, err := range visits.New(d.instances[0]).RecordAll(d.Context(), all) {
		d.must(err)
	}
}

// check reads pages by the instance that moves nothing.
func (d *deployment) check(from, to int) {
	for i, r := range visits.New(d.instances[1]).Read(d.Context(), d.pages[from:to]) {
		if want := d.wrote[from+i].Load(); r.Err != nil || r.Visits != want {
			d.Errorf("page %d reads %d, %v; want %d", from+i, r.Visits, r.Err, want)
			return // most of the others are wrong, too
		}
	}
}

// coming is the number of arcs that are on their way.
func (d *deployment) coming() (arcs int) {
	for _, m := range d.instances[0].View().Members() {
		p, err := d.node(m.ID).RingSummary(context.Background())
		if err != nil {
			d.Error(err)
		}
		arcs += p.Incoming
	}
	return arcs
}

// load is eight writers of each instance, which write all the time.
type load struct {
	over    atomic.Bool
	writing sync.WaitGroup
	mu      sync.Mutex
	slowest time.Duration // write since it was set to 0
}

func (d *deployment) load() *load {
	l := &load{}
	for w := range 8 * len(d.instances) {
		service, dice := visits.New(d.instances[w%len(d.instances)]), rand.New(rand.NewPCG(uint64(w), 0))
		l.writing.Go(func() {
			for !l.over.Load() {
				i, begin := dice.IntN(len(d.pages)), time.Now()
				if err := service.Record(context.Background(), d.pages[i], 1); err != nil {
					d.Errorf("a write failed: %v", err)
					return
				}
				d.wrote[i].Add(1)
				l.mu.Lock()
				l.slowest = max(l.slowest, time.Since(begin))
				l.mu.Unlock()
			}
		})
	}
	return l
}

// take returns the time of the slowest write, and begins again.
func (l *load) take() (slowest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slowest, l.slowest = l.slowest, 0
	return slowest
}
