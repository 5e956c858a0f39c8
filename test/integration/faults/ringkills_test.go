package faults_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
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
	fourth := r.AddServer()
	c := service.NewTrafficOf(r, 1000, in).Start(4, 2)
	doomed.Add(fourth)
	doomed.Midway(0.05)
	doomed.Kill()
	for i, s := range []*servers.Redis{r.Servers[0], fourth} {
		in.Midway(0.1 * float64(i+1))
		s.Kill()
		time.Sleep(time.Second) // the movers meet it
		check.Must(t, s.Start())
	}
	in.Moved()
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
	third := r.AddServer("--appendfsync", "everysec")
	c := service.NewTrafficOf(r, 1000, in, sleeper).Start(4, 2)
	c.GoesOn(200)
	slept := sleeper.Ring().Epoch
	check.Must(t, sleeper.Cmd.Process.Signal(syscall.SIGSTOP))
	in.Add(third)
	in.Moved()
	first := in.Ring().ID(r.Servers[0].Addr)
	in.Weigh(first, 2)
	in.Moved()
	in.Remove(first, "")
	in.Moved()
	check.Must(t, sleeper.Cmd.Process.Signal(syscall.SIGCONT))
	service.WaitFor(t, "the sleeper goes by the new ring", func() bool { return sleeper.Ring().Epoch >= slept+3 })
	for _, page := range c.Pages[:20] {
		service.WaitFor(t, "the sleeper counts "+page, func() bool { return r.Read(sleeper, page).Status == http.StatusOK })
	}
	c.GoesOn(200)
	c.Check()
}
