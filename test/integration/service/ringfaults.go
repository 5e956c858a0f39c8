package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/servers"
)

func (c *ringCrowd) Begin(writers, readers int) *ringCrowd {
	c.Start(writers, readers)
	return c
}

func (r *Ring) ServerAt(addr string) *servers.Redis {
	for _, s := range r.Servers {
		if s.Addr == addr {
			return s
		}
	}
	r.T.Fatalf("no server at %s", addr)
	return nil
}

// midway waits until some arcs have moved, and fails when all have: what comes
// next is to happen in between.
func (in *Instance) Midway(least float64) {
	in.t.Helper()
	WaitFor(in.t, "some arcs are moved", time.Minute, func() bool {
		m := in.Ring().Moves
		if m.Total > 0 && m.Left == 0 {
			in.t.Fatal("all arcs were moved too soon")
		}
		return m.Total > 0 && float64(m.Total-m.Left) > least*float64(m.Total)
	})
}

// ringCLI runs a verb of the command line against an instance.
func (r *Ring) RingCLI(in *Instance, args ...string) (string, error) {
	cmd := r.Deployment().Command(r.T.Context(), append([]string{"ring"}, args...)...)
	cmd.Env = append(cmd.Env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.Admin, "http://"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// storedRing is the ring that a server has opened.
func (r *Ring) StoredRing(server int) *sharding.Ring {
	r.T.Helper()
	document, err := r.Do(server, "hget", "ff:T", "opened").Text()
	if err != nil {
		r.T.Fatal(err)
	}
	ring, err := sharding.Decode([]byte(document))
	if err != nil {
		r.T.Fatal(err)
	}
	return ring
}

// has tells whether one of the first three servers has a page of an arc that is on
// its way by a table.
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

// fenced tells whether a server is fenced for a later epoch than it has opened.
func (r *Ring) Fenced(server *servers.Redis) bool {
	c := server.Client()
	defer c.Close()
	got, err := c.HMGet(r.T.Context(), "ff:T", "fence", "open").Result()
	if err != nil {
		r.T.Fatal(err)
	}
	return got[0] != nil && got[0] != got[1]
}

// coordinator starts an instance that begins to add a node, and returns when it
// is killed or stopped by a fault.
func (r *Ring) Coordinator(fault string, newcomer *servers.Redis) *Instance {
	r.T.Helper()
	d := r.Deployment()
	d.Program = FaultyProgram()
	d.Env = append(slices.Clone(d.Env), "FAULTPOINT="+fault)
	in := d.Start()
	req, err := http.NewRequestWithContext(r.T.Context(), http.MethodPost, in.Admin+"/ring/nodes",
		strings.NewReader(fmt.Sprintf(`{"addr":"redis://%s"}`, newcomer.Addr)))
	if err != nil {
		r.T.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() { // there may never be an answer
		if resp, err := NewClient().Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	WaitFor(r.T, fault, 20*time.Second, func() bool {
		select {
		case <-in.Done:
			return true
		default:
			return in.IsStopped()
		}
	})
	return in
}

// whole waits until nothing of a change is left; the newcomer may not be in it.
func (r *Ring) Whole(in *Instance, newcomer *servers.Redis) {
	var st RingState
	fenced := func(s *servers.Redis) bool { return s != newcomer && r.Fenced(s) }
	defer func() {
		if r.T.Failed() {
			r.T.Logf("%+v", st)
		}
	}()
	WaitFor(r.T, "the ring is whole", 3*time.Minute, func() bool {
		st = in.Ring()
		away := slices.ContainsFunc(r.Servers, fenced)
		for _, n := range st.Nodes {
			away = away || n.Away != ""
		}
		return st.Epoch > 1 && !away && st.Moves.Left == 0
	})
}

// stuckArc is one as GET /ring tells it.
type StuckArc struct {
	Arc                       int
	From, To, At, Reason, Why string
}

func (in *Instance) Stuck() []StuckArc {
	in.t.Helper()
	_, body := in.Administer(http.MethodGet, "/ring", "")
	var st struct{ Moves struct{ Stuck []StuckArc } }
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		in.t.Fatal(err)
	}
	return st.Moves.Stuck
}

// swept is the answer of a repair.
type swept struct {
	Sweep struct {
		Forgotten int
		Strays    []struct {
			Node       string
			Arc, Pages int
			Aside      bool
		}
		More    int `json:"more_strays"`
		Unswept map[string]string
	}
}

func (in *Instance) Repair() (s swept) {
	in.t.Helper()
	status, body := in.Administer(http.MethodPost, "/ring/repair", "")
	if status != 200 || json.Unmarshal([]byte(body), &s) != nil {
		in.t.Fatalf("repair: %d %s", status, body)
	}
	return s
}

// bringBack gives the arcs of a node to the others, some of them to where the
// last sweep found something. That is set aside, and told as before.
func (in *Instance) BringBack(node *servers.Redis, before swept) {
	in.t.Helper()
	in.Change(http.MethodDelete, fmt.Sprintf("/ring/nodes/redis_%d", node.Port()), "")
	in.Moved()
	told, aside := make(map[int]int), 0
	after := in.Repair().Sweep
	for _, stray := range after.Strays {
		told[stray.Arc] = stray.Pages
		if stray.Aside {
			aside++
		}
	}
	if aside == 0 {
		in.t.Errorf("nothing is set aside of %d strays", len(before.Sweep.Strays))
	}
	if len(told) != len(before.Sweep.Strays) || after.More != before.Sweep.More {
		in.t.Errorf("told are %d arcs and %d more, want %d and %d", len(told), after.More, len(before.Sweep.Strays), before.Sweep.More)
	}
	for _, stray := range before.Sweep.Strays {
		if after.More == 0 && told[stray.Arc] != stray.Pages {
			in.t.Errorf("of %+v, %d pages are told", stray, told[stray.Arc])
		}
	}
}
