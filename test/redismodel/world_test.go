package redismodel_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/servers"
)

const (
	nodes = 3
	grace = 200 * time.Millisecond
	// lease is what the instances get in place of 15 s.
	lease = 3 * time.Second
	// headroom is what a page that is planted nearly full can still take.
	headroom  = 30
	brimPages = 200
)

// rates are the probabilities of what may befall one call.
type rates struct{ loseRequest, loseReply, delay, duplicate float64 }

// plan says what goes wrong in a run.
type plan struct {
	instances, clients int
	lasts              time.Duration
	rates              rates
	// servers: servers and instances are killed; sockets: the proxies do
	// what they can.
	servers, sockets bool
	// closes: windows are so short that many are closed.
	closes bool
}

func (p plan) length() counting.WindowLength {
	if p.closes {
		return counting.WindowLength(time.Second)
	}
	return counting.WindowLength(time.Hour)
}

// server is one node: a process and the two ways to it.
type server struct {
	*servers.Redis
	id    counting.NodeID
	proxy *servers.Proxy
}

// world is one run: servers, instances, those who call them, and the books.
type world struct {
	plan    plan
	mutant  mutant
	seed    uint64
	counted *chaos.Tally
	servers []*server
	ring    *sharding.Ring
	begun   time.Time

	state     sync.Mutex
	calm      bool // nothing fails any more
	instances []*instance
	lives     int
	nextID    counting.ID

	books      sync.Mutex
	violations []string
	pages      map[counting.Page]*chaos.Account
	sent       map[counting.ID]struct{} // that may be counted
	acked      map[counting.ID]struct{}
	reports    map[counting.Window]int64

	chaos, load, travels sync.WaitGroup
}

func newWorld(t *testing.T, p plan, m mutant, seed uint64) *world {
	w := &world{
		plan: p, mutant: m, seed: seed, counted: chaos.NewTally(), instances: make([]*instance, p.instances),
		pages: make(map[counting.Page]*chaos.Account),
		sent:  make(map[counting.ID]struct{}), acked: make(map[counting.ID]struct{}),
		reports: make(map[counting.Window]int64),
	}
	for i := range nodes {
		s := &server{Redis: servers.StartRedis(t), id: counting.NodeID(fmt.Sprintf("n%d", i))}
		if m.text != "" {
			s.proxy = servers.StartRewriter(t, s.Redis.Addr, m.text, m.other)
		} else {
			s.proxy = servers.StartProxy(t, s.Redis.Addr)
		}
		w.servers = append(w.servers, s)
	}
	return w
}

// run lets the world go on for its time, mends it, kills every server, and
// checks what is left.
func (w *world) run(ctx context.Context) {
	w.begun = time.Now()
	var starting sync.WaitGroup
	for slot := range w.instances { // all at once: they have to agree on a ring
		starting.Go(func() { w.revive(ctx, slot) })
	}
	starting.Wait()
	w.plant(ctx)
	w.unleash(ctx)
	for client := range w.plan.clients {
		w.load.Go(func() { w.send(ctx, chaos.NewDice(w.seed, fmt.Sprint("client", client))) })
	}
	time.Sleep(w.plan.lasts)
	if w.plan.servers { // a slow machine gets more time until everything has happened
		until(ctx, 6*w.plan.lasts, func() bool { return len(w.counted.Missing(wanted())) == 0 })
	}
	w.mend()
	w.load.Wait()
	if w.plan.closes {
		until(ctx, 30*time.Second, w.isClosed)
	}
	w.end(ctx)
	w.travels.Wait()
	for _, s := range w.servers {
		s.Kill()
		if err := s.Start(); err != nil {
			w.violate("%s does not come back: %v", s.id, err)
		}
	}
	w.check(ctx)
}

// at is a node of the test's own, past all that goes wrong.
func (s *server) at(addr string) *redisnode.Node {
	return redisnode.New(redisnode.Options{ID: s.id, Addr: addr, Log: slog.New(slog.DiscardHandler)})
}

// plant fills pages nearly up.
func (w *world) plant(ctx context.Context) {
	batches := make([]*counting.Batch, nodes)
	for i := range batches {
		batches[i] = &counting.Batch{Epoch: w.ring.Epoch(), Session: "plant", Seq: 1}
	}
	for i := range brimPages {
		page := brim(i)
		arc := w.ring.Arc(page)
		b := batches[w.ring.Owner(arc)]
		b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: page, Count: math.MaxInt64 - headroom})
		w.account(page).Base = math.MaxInt64 - headroom
	}
	for i, m := range w.ring.Members() {
		s := w.serverOf(m.ID)
		n := s.at(s.proxy.Addr) // which loads scripts as the instances know them
		// A ring is made once its first node has opened it; the instance that
		// begins may not have come to the others yet.
		if err := n.Open(ctx, w.ring); err != nil {
			w.violate("can't open %s: %v", m.ID, err)
		}
		if _, err := n.Apply(ctx, batches[i]); err != nil {
			w.violate("can't plant on %s: %v", m.ID, err)
		}
		_ = n.Close()
	}
}

func brim(i int) counting.Page { return counting.Page(fmt.Sprintf("brim/%d", i%brimPages)) }

func (w *world) serverOf(id counting.NodeID) *server {
	return w.servers[slices.IndexFunc(w.servers, func(s *server) bool { return s.id == id })]
}

// send makes requests until the world is calm.
func (w *world) send(ctx context.Context, d *chaos.Dice) {
	for !w.isCalm() {
		time.Sleep(d.About(4 * time.Millisecond))
		i := w.pick(d)
		if i == nil {
			continue
		}
		page := counting.Page(fmt.Sprintf("page/%d", d.UpTo(60)))
		switch x := d.UpTo(100); {
		case x < 12:
			full := brim(int(time.Since(w.begun)/(500*time.Millisecond)) + d.UpTo(3))
			w.countOnce(ctx, d, counting.Visit{Page: page, Count: int64(1 + d.UpTo(3))}, counting.Visit{Page: full, Count: int64(1 + d.UpTo(9))})
		case x < 55:
			i.count(ctx, counting.Visit{Page: page, Count: int64(1 + d.UpTo(3))})
		case x < 70: // a few pages at a time are at their limit
			full := brim(int(time.Since(w.begun)/(500*time.Millisecond)) + d.UpTo(3))
			i.count(ctx, counting.Visit{Page: page, Count: 1}, counting.Visit{Page: full, Count: int64(1 + d.UpTo(9))})
		case x < 78:
			w.read(ctx, i, page, counting.Page(fmt.Sprintf("page/%d", d.UpTo(60))))
		case x < 82:
			w.read(ctx, i, page)
		case x < 87: // the same id at two instances at once
			id := w.newID()
			var both sync.WaitGroup
			both.Go(func() { i.accept(ctx, id, "") })
			if other := w.pick(d); other != nil {
				other.accept(ctx, id, "")
			}
			both.Wait()
		case x < 88:
			i.accept(ctx, w.newID(), publishing.Endpoint(fmt.Sprintf("http://e%d/", d.UpTo(3))))
		default:
			i.accept(ctx, w.newID(), "")
		}
	}
}

// end stops every instance cleanly: what is in doubt gets resolved.
func (w *world) end(ctx context.Context) {
	wait := 20 * time.Second
	if w.mutant.text != "" { // what breaks off is never resolved
		wait = time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var ending sync.WaitGroup
	for _, i := range w.instances {
		ending.Go(func() {
			if err := i.stop(ctx); err != nil {
				w.violate("%s did not stop: %v", i.name, err)
			}
			i.close()
		})
	}
	ending.Wait()
}

func (w *world) isCalm() bool {
	w.state.Lock()
	defer w.state.Unlock()
	return w.calm
}

func (w *world) newID() counting.ID {
	w.state.Lock()
	defer w.state.Unlock()
	w.nextID++
	return w.nextID
}

// pick is any instance that is alive, nil when none is.
func (w *world) pick(d *chaos.Dice) *instance {
	w.state.Lock()
	defer w.state.Unlock()
	alive := slices.DeleteFunc(slices.Clone(w.instances), func(i *instance) bool { return i == nil })
	if len(alive) == 0 {
		return nil
	}
	return alive[d.UpTo(len(alive))]
}
