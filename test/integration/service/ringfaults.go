package service

import (
	"fmt"
	"net/http"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/servers"
)

// ServerAt returns the server at an address. It ends the test when there is none.
func (r *Ring) ServerAt(addr string) *servers.Redis {
	for _, s := range r.Servers {
		if s.Addr == addr {
			return s
		}
	}
	r.T.Fatalf("no server at %s", addr)
	return nil
}

// Midway waits until some arcs have moved, and fails when all have: the next
// step is to happen in between.
func (in *Instance) Midway(least float64) {
	in.t.Helper()
	WaitFor(in.t, "some arcs are moved", func() bool {
		m := in.Ring().Moves
		if m.Total > 0 && m.Left == 0 {
			in.t.Fatal("all arcs were moved too soon")
		}
		return m.Total > 0 && float64(m.Total-m.Left) > least*float64(m.Total)
	})
}

// StoredRing is the ring that a server has opened.
func (r *Ring) StoredRing(server int) *sharding.Ring {
	r.T.Helper()
	document := check.Value(r.Do(server, "hget", "ff:T", "opened").Text())(r.T)
	ring, err := sharding.Decode([]byte(document))
	check.Must(r.T, err)
	return ring
}

// Has reports whether one of the first three servers has a page of an arc that is
// on its way by a table.
func (r *Ring) Has(arc counting.Arc, page string, table counting.Epoch) bool {
	for server := range 3 {
		for _, key := range []string{fmt.Sprint("ff:c:", arc), fmt.Sprintf("ff:x:%d:%d", arc, table)} {
			if there, err := r.Do(server, "hexists", key, page).Bool(); err != nil {
				r.T.Fatal(err)
			} else if there {
				return true
			}
		}
	}
	return false
}

// Fenced reports whether a server is fenced for a later epoch than it has opened.
func (r *Ring) Fenced(server *servers.Redis) bool {
	c := server.Client()
	defer func() { _ = c.Close() }()
	got := check.Value(c.HMGet(r.T.Context(), "ff:T", "fence", "open").Result())(r.T)
	return got[0] != nil && got[0] != got[1]
}

// Coordinator starts an instance that begins to add a node, and returns when a
// fault has killed or stopped it.
func (r *Ring) Coordinator(fault string, joining *servers.Redis) *Instance {
	r.T.Helper()
	d := r.Deployment()
	d.Program = FaultyProgram()
	d.Env = append(slices.Clone(d.Env), "FAULTPOINT="+fault)
	in := d.Start()
	go func() { // there may never be an answer
		_, _ = Request(NewClient(), http.MethodPost, in.Admin+"/ring/nodes", AddBody(joining), "Content-Type", "application/json")
	}()
	WaitFor(r.T, fault, func() bool {
		select {
		case <-in.Done:
			return true
		default:
			return in.IsStopped()
		}
	})
	return in
}

// Whole waits until nothing of a change is left. The joining node may not be in
// the ring.
func (r *Ring) Whole(in *Instance, joining *servers.Redis) {
	var st RingState
	fenced := func(s *servers.Redis) bool { return s != joining && r.Fenced(s) }
	defer func() {
		if r.T.Failed() {
			r.T.Logf("%+v", st)
		}
	}()
	WaitFor(r.T, "the ring is whole", func() bool {
		st = in.Ring()
		away := slices.ContainsFunc(r.Servers, fenced)
		for _, n := range st.Nodes {
			away = away || n.Away != ""
		}
		return st.Epoch > 1 && !away && st.Moves.Left == 0
	})
}

// RepairResult is the answer of a repair.
type RepairResult struct {
	Sweep struct {
		Forgotten int
		Orphans   []struct {
			Node        string
			Arc, Pages  int
			Quarantined bool `json:"aside"`
		} `json:"strays"`
		More    int `json:"more_strays"`
		Unswept map[string]string
	}
}

// Repair asks for a repair and returns what it has swept.
func (in *Instance) Repair() (s RepairResult) {
	in.t.Helper()
	in.Administer(http.MethodPost, "/ring/repair", "").Into(in.t, &s)
	return s
}

// BringBack gives the arcs of a node to the others, some of them to where the
// last sweep found orphans. Those are quarantined, and reported as before.
func (in *Instance) BringBack(node *servers.Redis, before RepairResult) {
	in.t.Helper()
	in.Remove(fmt.Sprint("redis_", node.Port()), "")
	in.Moved()
	pages, quarantined := make(map[int]int), 0
	after := in.Repair().Sweep
	for _, orphan := range after.Orphans {
		pages[orphan.Arc] = orphan.Pages
		if orphan.Quarantined {
			quarantined++
		}
	}
	if quarantined == 0 {
		in.t.Errorf("none of %d orphans is quarantined", len(before.Sweep.Orphans))
	}
	if len(pages) != len(before.Sweep.Orphans) || after.More != before.Sweep.More {
		in.t.Errorf("%d arcs and %d more are reported, want %d and %d", len(pages), after.More, len(before.Sweep.Orphans), before.Sweep.More)
	}
	for _, orphan := range before.Sweep.Orphans {
		if after.More == 0 && pages[orphan.Arc] != orphan.Pages {
			in.t.Errorf("of %+v, %d pages are reported", orphan, pages[orphan.Arc])
		}
	}
}
