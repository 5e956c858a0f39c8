package integration_test

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"footfall/test/servers"
)

// midway waits until some arcs have moved, and fails when all have: what comes
// next is to happen in between.
func (in *instance) midway(least float64) {
	in.t.Helper()
	waitFor(in.t, "some arcs are moved", time.Minute, func() bool {
		m := in.ring().Moves
		if m.Total > 0 && m.Left == 0 {
			in.t.Fatal("all arcs were moved too soon")
		}
		return m.Total > 0 && float64(m.Total-m.Left) > least*float64(m.Total)
	})
}

// V13, P4: the instance that began a change is killed while it moves arcs, and
// so are a server that they come from and the one that they go to. Another
// instance brings the moves to their end; nothing is lost, doubled or read low.
func TestKillsWhileArcsMoveLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3)
	doomed, in := r.start(), r.start()
	fourth := servers.StartRedis(t)
	r.servers = append(r.servers, fourth)
	c := newRingCrowd(r, []*instance{in}, 1000)
	c.start(4, 2)
	doomed.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
	doomed.midway(0.05)
	doomed.kill()
	for i, s := range []*servers.Redis{r.servers[0], fourth} {
		in.midway(0.1 * float64(i+1))
		s.Kill()
		time.Sleep(time.Second) // the movers meet it
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	in.moved()
	if _, writes, _ := c.lap(); writes == 0 || c.reads.Load() == 0 {
		t.Error("nothing was written or read")
	}
	c.check()
	if st := in.ring(); len(st.Nodes) != 4 || st.Moves.Total != 4096 {
		t.Errorf("the ring is %+v", st)
	}
}

// V17, P4: an instance sleeps through three changes, with requests in its
// hands. When it wakes it counts by the ring that is valid then.
func TestAnInstanceThatSleptThroughChangesCountsRight(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2, "--appendfsync", "everysec")
	in, sleeper := r.start(), r.start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.servers = append(r.servers, third)
	c := newRingCrowd(r, []*instance{in, sleeper}, 1000)
	c.start(4, 2)
	time.Sleep(time.Second)
	slept := sleeper.ring().Epoch
	if err := sleeper.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	in.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr))
	in.moved()
	first := ""
	for _, n := range in.ring().Nodes {
		if n.Addr == r.servers[0].Addr {
			first = n.ID
		}
	}
	in.change(http.MethodPatch, "/ring/nodes/"+first, `{"weight":2}`)
	in.moved()
	in.change(http.MethodDelete, "/ring/nodes/"+first, "")
	in.moved()
	if err := sleeper.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the sleeper goes by the new ring", 20*time.Second, func() bool { return sleeper.ring().Epoch >= slept+3 })
	for _, page := range c.pages[:20] {
		waitFor(t, "the sleeper counts "+page, 20*time.Second, func() bool {
			return c.ring.ask(sleeper, http.MethodGet, "/visits/"+page, "").status == http.StatusOK
		})
	}
	c.lap()
	time.Sleep(time.Second)
	if _, writes, _ := c.lap(); writes == 0 {
		t.Error("nothing is written")
	}
	c.check()
}
