package service

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"footfall/test/servers"
)

// RingState is the answer of GET /ring.
type RingState struct {
	Epoch int64
	Nodes []struct {
		ID, Addr, State, Away string
		Weight                int
		Share                 float64
	}
	Moves struct {
		Left, Total int
		Stuck       []StuckArc
	}
	Losses []struct{ Node string }
}

// StuckArc is an arc that can't be moved, as GET /ring shows it.
type StuckArc struct {
	Arc                       int
	From, To, At, Reason, Why string
}

// ID is the name of the node at an address, "" when there is none.
func (st RingState) ID(addr string) string {
	for _, n := range st.Nodes {
		if n.Addr == addr {
			return n.ID
		}
	}
	return ""
}

// Ring returns the state of the ring.
func (in *Instance) Ring() (st RingState) {
	in.t.Helper()
	in.Administer(http.MethodGet, "/ring", "").Into(in.t, &st)
	return st
}

// Change changes the ring. It repeats the request while another change goes on, and where a node
// of a busy machine does not answer in time.
func (in *Instance) Change(method, path, body string) {
	in.t.Helper()
	WaitFor(in.t, method+" "+path, func() bool {
		got := in.Administer(method, path, body)
		isLate := strings.Contains(got.Body, "Nothing was changed") && strings.Contains(got.Body, "no answer in time")
		if got.Status != http.StatusOK && got.Status != http.StatusConflict && !isLate {
			in.t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Body)
		}
		return got.Status == http.StatusOK
	})
}

// Add adds a server to the ring.
func (in *Instance) Add(s *servers.Redis) {
	in.t.Helper()
	in.Change(http.MethodPost, "/ring/nodes", AddBody(s))
}

// AddBody is the body of the request that adds a server.
func AddBody(s *servers.Redis) string { return fmt.Sprintf(`{"addr":"redis://%s"}`, s.Addr) }

// Weigh gives a node another weight.
func (in *Instance) Weigh(id string, weight int) {
	in.t.Helper()
	in.Change(http.MethodPatch, "/ring/nodes/"+id, fmt.Sprintf(`{"weight":%d}`, weight))
}

// Remove removes a node, with the options of a body unless that is empty.
func (in *Instance) Remove(id, body string) {
	in.t.Helper()
	in.Change(http.MethodDelete, "/ring/nodes/"+id, body)
}

// Moved waits until all arcs are moved.
func (in *Instance) Moved() {
	in.t.Helper()
	in.MovedWithin(patience)
}

// MovedWithin is Moved with a limit of its own. Then it ends the test with what GET /ring
// says of the arcs that are left.
func (in *Instance) MovedWithin(limit time.Duration) {
	in.t.Helper()
	moves, rest := in.Ring().Moves, 20*time.Millisecond
	for deadline := time.Now().Add(limit); moves.Left > 0; moves = in.Ring().Moves {
		if time.Now().After(deadline) {
			in.t.Fatalf("%d arcs are not moved after %v, and these can't be: %+v", moves.Left, limit, moves.Stuck)
		}
		time.Sleep(rest)
		rest = min(rest*5/4, 250*time.Millisecond) // a look is work for every node
	}
}
