package redismodel_test

import (
	"context"
	"slices"
	"time"

	"footfall/test/chaos"
)

// unleash begins what the plan says that goes wrong.
func (w *world) unleash(ctx context.Context) {
	if w.plan.servers {
		w.every(1200*time.Millisecond, "kill", w.killServer)
		w.every(3*time.Second, "freeze", w.freezeServer)
		w.every(time.Second, "crash", w.killInstance)
		w.every(time.Second, "flush", func(d *chaos.Dice) { w.forgetScripts(ctx, d) })
	}
	if w.plan.sockets {
		w.every(150*time.Millisecond, "cut", func(d *chaos.Dice) { w.cutReply(d, 1+d.UpTo(12), replyCut) })
		w.every(150*time.Millisecond, "drop", func(d *chaos.Dice) { w.cutReply(d, 0, replyDropped) })
		w.every(2*time.Second, "refuse", w.refuse)
		w.every(3*time.Second, "stall", w.stall)
	}
}

// every lets something happen at random times until the world is calm.
func (w *world) every(mean time.Duration, part string, happen func(*chaos.Dice)) {
	d := chaos.NewDice(w.seed, part)
	w.chaos.Go(func() {
		for {
			time.Sleep(d.Between(0, 2*mean)) // so that each happens soon
			if w.isCalm() {
				return
			}
			happen(d)
		}
	})
}

func (w *world) any(d *chaos.Dice) *server { return w.servers[d.UpTo(len(w.servers))] }

// killServer kills a node with kill -9 and starts it again.
func (w *world) killServer(d *chaos.Dice) {
	s := w.any(d)
	s.Kill()
	w.counted.Add(nodeKilled)
	time.Sleep(d.Between(0, 700*time.Millisecond))
	if err := s.Start(); err != nil {
		w.violate("%s does not come back: %v", s.id, err)
	}
}

func (w *world) freezeServer(d *chaos.Dice) {
	s := w.any(d)
	s.Freeze()
	w.counted.Add(nodeFrozen)
	time.Sleep(d.Between(100*time.Millisecond, 1300*time.Millisecond))
	s.Thaw()
}

// forgetScripts lets a node forget the scripts that it has loaded.
func (w *world) forgetScripts(ctx context.Context, d *chaos.Dice) {
	c := w.any(d).Client()
	defer func() { _ = c.Close() }()
	if c.ScriptFlush(ctx).Err() == nil { // it may be down
		w.counted.Add(scriptsForgotten)
	}
}

func (w *world) killInstance(d *chaos.Dice) {
	w.state.Lock()
	i := w.instances[d.UpTo(len(w.instances))]
	w.state.Unlock()
	if i != nil && !i.isDead() {
		i.doom()
		w.bury(i, instanceKilled, d)
	}
}

// bury ends an instance that is doomed, and starts another in its place.
func (w *world) bury(i *instance, f chaos.Fault, d *chaos.Dice) {
	w.state.Lock()
	slot := slices.Index(w.instances, i)
	if slot < 0 { // it died in its start
		w.state.Unlock()
		return
	}
	w.instances[slot] = nil
	w.state.Unlock()
	w.counted.Add(f)
	i.kill()
	time.Sleep(d.Between(0, 300*time.Millisecond))
	w.revive(context.Background(), slot)
}

// revive starts a new instance in a slot that has none, again if it fails, as
// a supervisor does.
func (w *world) revive(ctx context.Context, slot int) {
	for ctx.Err() == nil {
		w.state.Lock()
		w.lives++
		life := w.lives
		w.state.Unlock()
		i, err := w.start(ctx, life)
		if err != nil {
			continue
		}
		w.state.Lock()
		if w.ring == nil { // it never changes here
			w.ring = i.cluster.View().Ring
		}
		if !i.isDead() { // it may have died at a step of its first close
			w.instances[slot] = i
		}
		w.state.Unlock()
		if i.isDead() {
			i.kill()
			continue
		}
		return
	}
}

// cutReply lets n bytes of the next reply of a node through and closes the
// connection.
func (w *world) cutReply(d *chaos.Dice, n int, f chaos.Fault) {
	happened, withdraw := w.any(d).proxy.CutReply(n)
	defer withdraw()
	select {
	case <-happened:
		w.counted.Add(f)
	case <-time.After(500 * time.Millisecond): // the node may be down
	}
}

func (w *world) refuse(d *chaos.Dice) {
	s := w.any(d)
	s.proxy.Refuse()
	w.counted.Add(socketRefused)
	time.Sleep(d.Between(50*time.Millisecond, 500*time.Millisecond))
	if err := s.proxy.Accept(); err != nil {
		w.violate("the proxy of %s does not come back: %v", s.id, err)
	}
}

// stall holds a node's bytes back, often longer than callers wait: what they
// sent arrives when they have given it up.
func (w *world) stall(d *chaos.Dice) {
	s := w.any(d)
	s.proxy.Stall()
	w.counted.Add(socketStalled)
	time.Sleep(d.Between(200*time.Millisecond, 1500*time.Millisecond))
	s.proxy.Resume()
}

// mend ends all that goes wrong. Every instance is alive then.
func (w *world) mend() {
	w.state.Lock()
	w.calm = true
	w.state.Unlock()
	w.chaos.Wait()
}
