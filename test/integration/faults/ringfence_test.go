package faults_test

import (
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// killing is what dies between fence and open.
type killing struct {
	name, fault string
	victim      int  // in the order of the ids; 3 is the joining node
	held        bool // the coordinator goes on only when all is over
}

// P2, P3, P4, V13: a node is killed when all are fenced for a change and none
// has opened it, and the coordinator is killed or held there. Whichever node it
// is, the pages of the others are written again soon; nothing is lost.
func TestANodeThatIsKilledBetweenFenceAndOpenStopsNoOtherForLong(t *testing.T) {
	t.Parallel()
	for _, k := range []killing{
		{"the first one, and the coordinator", "kill before accept 0", 0, false},
		{"the first one", "stop before accept 0", 0, false},
		{"another one", "stop before accept 0", 1, false},
		{"another one, and the coordinator is held", "stop before accept 0", 2, true},
		{"the joining node", "stop before accept 0", 3, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for range 20 { // on a busy machine others may end the change too soon
				if k.kill(t) {
					return
				}
			}
			t.Error("no node was killed between fence and open")
		})
	}
}

// kill is false when the change was ended before the node was killed.
func (k killing) kill(t *testing.T) bool {
	r := service.NewRing(t, 3)
	in := r.Start()
	by := r.Pages(in, 5)
	nodes := in.Ring().Nodes
	joining := r.AddServer()
	victim := joining
	if k.victim < 3 {
		victim = r.ServerAt(nodes[k.victim].Addr)
	}
	var all, living []*service.Traffic
	for i, pages := range by {
		all = append(all, service.NewTraffic(r, pages, in).Start(4, 0))
		if r.Servers[i] != victim {
			living = append(living, all[i])
		}
	}
	for _, tr := range all {
		tr.GoesOn(20)
	}
	coordinator := r.Coordinator(k.fault, joining)
	between := !slices.ContainsFunc(r.Servers, func(s *servers.Redis) bool { return !r.Fenced(s) })
	victim.Kill()
	for _, tr := range all {
		tr.NextLap()
	}
	if !k.held {
		_ = coordinator.Cmd.Process.Signal(syscall.SIGCONT)
	}
	for _, tr := range living {
		service.WaitFor(t, "pages of nodes that live are written", func() bool {
			_, statuses := tr.Answers(1)
			return statuses[http.StatusOK] > 10
		})
	}
	st := in.Ring()
	t.Logf("epoch %d, %d nodes", st.Epoch, len(st.Nodes))

	check.Must(t, victim.Start())
	_ = coordinator.Cmd.Process.Signal(syscall.SIGCONT)
	time.Sleep(time.Second)
	for _, tr := range all {
		tr.Stop()
	}
	r.Whole(in, joining)
	for _, tr := range all {
		tr.Check()
	}
	return between
}
