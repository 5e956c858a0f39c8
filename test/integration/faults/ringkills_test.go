package faults_test

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V13, P4: the instance that began a change is killed while it moves arcs, and
// so are a server that they come from and the one that they go to. Another
// instance brings the moves to their end; nothing is lost, doubled or read low.
func TestKillsWhileArcsMoveLoseNothing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	doomed, in := r.Start(), r.Start()
	fourth := servers.StartRedis(t)
	r.Servers = append(r.Servers, fourth)
	c := service.NewRingCrowd(r, []*service.Instance{in}, 1000)
	c.Start(4, 2)
	doomed.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
	doomed.Midway(0.05)
	doomed.Kill()
	for i, s := range []*servers.Redis{r.Servers[0], fourth} {
		in.Midway(0.1 * float64(i+1))
		s.Kill()
		time.Sleep(time.Second) // the movers meet it
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	in.Moved()
	if _, writes, _ := c.Lap(); writes == 0 || c.Reads.Load() == 0 {
		t.Error("nothing was written or read")
	}
	c.Check()
	if st := in.Ring(); len(st.Nodes) != 4 || st.Moves.Total != 4096 {
		t.Errorf("the ring is %+v", st)
	}
}

// V17, P4: an instance sleeps through three changes, with requests in its
// hands. When it wakes it counts by the ring that is valid then.
func TestAnInstanceThatSleptThroughChangesCountsRight(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in, sleeper := r.Start(), r.Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.Servers = append(r.Servers, third)
	c := service.NewRingCrowd(r, []*service.Instance{in, sleeper}, 1000)
	c.Start(4, 2)
	time.Sleep(time.Second)
	slept := sleeper.Ring().Epoch
	if err := sleeper.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr))
	in.Moved()
	first := ""
	for _, n := range in.Ring().Nodes {
		if n.Addr == r.Servers[0].Addr {
			first = n.ID
		}
	}
	in.Change(http.MethodPatch, "/ring/nodes/"+first, `{"weight":2}`)
	in.Moved()
	in.Change(http.MethodDelete, "/ring/nodes/"+first, "")
	in.Moved()
	if err := sleeper.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	service.WaitFor(t, "the sleeper goes by the new ring", 20*time.Second, func() bool { return sleeper.Ring().Epoch >= slept+3 })
	for _, page := range c.Pages[:20] {
		service.WaitFor(t, "the sleeper counts "+page, 20*time.Second, func() bool {
			return c.Ring.Ask(sleeper, http.MethodGet, "/visits/"+page, "").Status == http.StatusOK
		})
	}
	c.Lap()
	time.Sleep(time.Second)
	if _, writes, _ := c.Lap(); writes == 0 {
		t.Error("nothing is written")
	}
	c.Check()
}
