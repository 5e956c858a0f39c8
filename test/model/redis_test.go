package model_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/servers"
)

// redisServer is one node: a process and the two ways to it.
type redisServer struct {
	*servers.Redis
	world *world
	id    counting.NodeID
	proxy *servers.Proxy
}

// onRedis starts servers with a proxy each, which replaces the mutant's text in
// everything that is sent, above all in scripts.
func onRedis(t *testing.T) func(w *world, i int) server {
	return func(w *world, i int) server {
		s := &redisServer{Redis: servers.StartRedis(t), world: w, id: counting.NodeID(fmt.Sprintf("n%d", i))}
		if m := w.mutant; m.text != "" {
			s.proxy = servers.StartRewriter(t, s.Redis.Addr, m.text, m.other)
		} else {
			s.proxy = servers.StartProxy(t, s.Redis.Addr)
		}
		return s
	}
}

func (s *redisServer) ID() counting.NodeID { return s.id }

func (s *redisServer) at(addr string) *redisnode.Node {
	return redisnode.New(redisnode.Options{ID: s.id, Addr: addr, Log: slog.New(slog.DiscardHandler)})
}

func (s *redisServer) dial(i *instance) dialled {
	addr := s.proxy.Addr
	if s.world.mutant.text == "" && i.dice.Chance(0.4) { // without the proxy, so that a dead server refuses connections
		addr = s.Redis.Addr
	}
	n := s.at(addr)
	return dialled{s.world.mutant.node(n, nil), func() { _ = n.Close() }}
}

func (s *redisServer) direct(planting bool) dialled {
	addr := s.Redis.Addr
	if planting { // loads scripts as the instances know them
		addr = s.proxy.Addr
	}
	n := s.at(addr)
	return dialled{n, func() { _ = n.Close() }}
}

func (s *redisServer) reached() (bool, error) { return true, nil }

func (s *redisServer) hasClosed(_ counting.Window, due time.Time) bool {
	return !time.Now().Before(due)
}

func (s *redisServer) mend() {}

// unleashReal begins what goes wrong with processes and connections.
func (w *world) unleashReal(ctx context.Context) {
	if w.plan.outages {
		w.every(1200*time.Millisecond, "kill", w.killServer)
		w.every(3*time.Second, "freeze", w.freezeServer)
		w.every(time.Second, "flush", func(d *chaos.Dice) { w.forgetScripts(ctx, d) })
	}
	if w.plan.crashes {
		w.every(2*time.Second, "crash", w.crashOne)
	}
	if w.plan.sockets {
		w.every(150*time.Millisecond, "cut", func(d *chaos.Dice) { w.cutReply(d, 1+d.UpTo(12), replyCut) })
		w.every(150*time.Millisecond, "drop", func(d *chaos.Dice) { w.cutReply(d, 0, replyDropped) })
		w.every(2*time.Second, "refuse", w.refuse)
		w.every(3*time.Second, "stall", w.stallSocket)
	}
}

func (w *world) redisServer(d *chaos.Dice) *redisServer {
	return w.servers[d.UpTo(len(w.servers))].(*redisServer)
}

// killServer kills a node with kill -9 and starts it again.
func (w *world) killServer(d *chaos.Dice) {
	s := w.redisServer(d)
	s.Kill()
	w.Counted.Add(nodeKilled)
	time.Sleep(d.Between(0, 700*time.Millisecond))
	s.startAgain()
}

func (s *redisServer) startAgain() {
	if err := s.Start(); err != nil {
		s.world.Violate("%s does not come back: %v", s.id, err)
	}
}

func (w *world) freezeServer(d *chaos.Dice) {
	s := w.redisServer(d)
	s.Freeze()
	w.Counted.Add(nodeFrozen)
	time.Sleep(d.Between(100*time.Millisecond, 1300*time.Millisecond))
	s.Thaw()
}

// forgetScripts lets a node forget the scripts that it has loaded.
func (w *world) forgetScripts(ctx context.Context, d *chaos.Dice) {
	c := w.redisServer(d).Client()
	defer func() { _ = c.Close() }()
	if c.ScriptFlush(ctx).Err() == nil { // it may be down
		w.Counted.Add(scriptsForgotten)
	}
}

// cutReply lets n bytes of the next reply of a node through and closes the
// connection.
func (w *world) cutReply(d *chaos.Dice, n int, f chaos.Fault) {
	happened, withdraw := w.redisServer(d).proxy.CutReply(n)
	defer withdraw()
	select {
	case <-happened:
		w.Counted.Add(f)
	case <-time.After(500 * time.Millisecond): // the node may be down
	}
}

func (w *world) refuse(d *chaos.Dice) {
	s := w.redisServer(d)
	s.proxy.Refuse()
	w.Counted.Add(socketRefused)
	time.Sleep(d.Between(50*time.Millisecond, 500*time.Millisecond))
	if err := s.proxy.Accept(); err != nil {
		w.Violate("the proxy of %s does not come back: %v", s.id, err)
	}
}

// stallSocket holds a node's bytes back, often longer than callers wait: the
// requests arrive when their callers have abandoned them.
func (w *world) stallSocket(d *chaos.Dice) {
	s := w.redisServer(d)
	s.proxy.Stall()
	w.Counted.Add(socketStalled)
	time.Sleep(d.Between(200*time.Millisecond, 1500*time.Millisecond))
	s.proxy.Resume()
}

// restart kills every server and starts it again: only what is stored is left.
func (w *world) restart() {
	for _, s := range w.servers {
		s.(*redisServer).Kill()
		s.(*redisServer).startAgain()
	}
}

// arrived are the ids that the servers accepted: their files say so.
func (w *world) arrived() seen {
	var all []*servers.Redis
	for _, s := range w.servers {
		all = append(all, s.(*redisServer).Redis)
	}
	ids, err := servers.Arrived(all...)
	if err != nil {
		w.Violate("the files of the servers: %v", err)
	}
	truth := newSeen()
	for window, in := range ids {
		for id := range in {
			truth.ids[idIn{window, id}] = true
		}
	}
	return truth
}

// isClosed tells whether every window with ids is published.
func (w *world) isClosed() bool {
	if !w.plan.closes {
		return true
	}
	truth := w.arrived()
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := range truth.ids {
		if len(w.reports[at.window]) == 0 {
			return false
		}
	}
	return true
}
