package integration_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/servers"
)

// fenced tells whether a server is fenced for a later epoch than it has opened.
func (r *ring) fenced(server *servers.Redis) bool {
	c := server.Client()
	defer c.Close()
	got, err := c.HMGet(r.t.Context(), "ff:T", "fence", "open").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return got[0] != nil && got[0] != got[1]
}

// coordinator starts an instance that begins to add a node, and returns when it
// is killed or stopped by a fault.
func (r *ring) coordinator(fault string, newcomer *servers.Redis) *instance {
	r.t.Helper()
	d := r.deployment()
	d.program = faultyProgram
	d.env = append(slices.Clone(d.env), "FAULTPOINT="+fault)
	in := d.start()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, in.admin+"/ring/nodes",
		strings.NewReader(fmt.Sprintf(`{"addr":"redis://%s"}`, newcomer.Addr)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() { // there may never be an answer
		if resp, err := newClient().Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	waitFor(r.t, fault, 20*time.Second, func() bool {
		select {
		case <-in.done:
			return true
		default:
			return in.isStopped()
		}
	})
	return in
}

// killing is what dies between fence and open.
type killing struct {
	name, fault string
	victim      int  // in the order of the ids; 3 is the newcomer
	held        bool // who began the change goes on only when all is over
}

// P2, P3, P4, V13: a node is killed when all are fenced for a change and none
// has opened it, and whoever began it is killed or held there. Whichever node it
// is, the pages of the others are written again soon; nothing is lost.
func TestANodeThatIsKilledBetweenFenceAndOpenStopsNobodyForLong(t *testing.T) {
	t.Parallel()
	for _, k := range []killing{
		{"the first one, and the coordinator", "kill before approve 0", 0, false},
		{"the first one", "stop before approve 0", 0, false},
		{"another one", "stop before approve 0", 1, false},
		{"another one, and the coordinator is held", "stop before approve 0", 2, true},
		{"the newcomer", "stop before approve 0", 3, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for range 5 { // on a busy machine others may end the change too soon
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
	r := newRing(t, 3)
	in := r.start()
	by := r.pages(in, 5)
	nodes := in.ring().Nodes
	newcomer := servers.StartRedis(t)
	r.servers = append(r.servers, newcomer)
	victim := newcomer
	if k.victim < 3 {
		victim = r.serverAt(nodes[k.victim].Addr)
	}
	var all, living []*traffic
	for i, pages := range by {
		all = append(all, newTraffic(r, in, pages))
		if r.servers[i] != victim {
			living = append(living, all[i])
		}
	}
	time.Sleep(500 * time.Millisecond)

	coordinator := r.coordinator(k.fault, newcomer)
	between := !slices.ContainsFunc(r.servers, func(s *servers.Redis) bool { return !r.fenced(s) })
	victim.Kill()
	for _, tr := range all {
		tr.enter(during)
	}
	if !k.held {
		_ = coordinator.cmd.Process.Signal(syscall.SIGCONT)
	}
	for _, tr := range living {
		waitFor(t, "pages of nodes that live are written", 20*time.Second, func() bool {
			_, statuses := tr.answers(during)
			return statuses[http.StatusOK] > 10
		})
	}
	for _, tr := range living {
		tr.mu.Lock()
		t.Logf("longest time without a write: %v", tr.gap)
		tr.mu.Unlock()
	}
	st := in.ring()
	t.Logf("epoch %d, %d nodes", st.Epoch, len(st.Nodes))

	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	_ = coordinator.cmd.Process.Signal(syscall.SIGCONT)
	time.Sleep(time.Second)
	for _, tr := range all {
		tr.stop()
	}
	r.whole(in, newcomer)
	for _, tr := range all {
		tr.resolve(t, r, in)
	}
	return between
}

// whole waits until nothing of a change is left; the newcomer may not be in it.
func (r *ring) whole(in *instance, newcomer *servers.Redis) {
	var st ringState
	fenced := func(s *servers.Redis) bool { return s != newcomer && r.fenced(s) }
	defer func() {
		if r.t.Failed() {
			r.t.Logf("%+v", st)
		}
	}()
	waitFor(r.t, "the ring is whole", 3*time.Minute, func() bool {
		st = in.ring()
		away := slices.ContainsFunc(r.servers, fenced)
		for _, n := range st.Nodes {
			away = away || n.Away != ""
		}
		return st.Epoch > 1 && !away && st.Moves.Left == 0
	})
}
