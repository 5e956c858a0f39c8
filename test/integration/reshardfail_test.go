package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/servers"
)

func (c *ringCrowd) begin(writers, readers int) *ringCrowd {
	c.start(writers, readers)
	return c
}

// V14: what can't be done is refused and changes nothing.
func TestBadChangesOfTheRingAreRefused(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2, "--appendfsync", "everysec")
	in := r.start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.servers = append(r.servers, third)
	add := fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr)

	status, body := in.administer(http.MethodPost, "/ring/nodes", strings.Replace(add, "}", `,"dry_run":true}`, 1))
	var plan struct{ Arcs int }
	if err := json.Unmarshal([]byte(body), &plan); err != nil || status != 200 || plan.Arcs != 16384/3 {
		t.Errorf("dry run: %d %s", status, body)
	}
	if st := in.ring(); st.Epoch != 1 || len(st.Nodes) != 2 {
		t.Errorf("a dry run changed the ring: %+v", st)
	}
	in.change(http.MethodPost, "/ring/nodes", add)
	in.moved()
	st := in.ring()
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "/ring/nodes", add},                                        // again
		{http.MethodPost, "/ring/nodes", `{"addr":"redis://user:pass@127.0.0.1:1"}`}, // credentials
		{http.MethodPost, "/ring/nodes", `{"addr":"http://127.0.0.1:1/"}`},
		{http.MethodPatch, "/ring/nodes/" + st.Nodes[0].ID, `{"weight":0}`},
		{http.MethodDelete, "/ring/nodes/nobody", ""},
	} {
		if status, body := in.administer(c.method, c.path, c.body); status != 400 && status != 404 {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, body)
		}
	}
	id := ""
	for _, n := range st.Nodes {
		if n.Addr == third.Addr {
			id = n.ID
		}
	}
	in.change(http.MethodDelete, "/ring/nodes/"+id, "")
	if status, body := in.administer(http.MethodDelete, "/ring/nodes/"+id, ""); status == 200 {
		t.Errorf("removed twice: %s", body)
	}
	in.moved()
	// It still has its ring: what it had counted once would be mixed with what
	// it counts then.
	other := servers.StartRedis(t)
	other.Kill()
	if status, body := in.administer(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, other.Addr)); status != 503 {
		t.Errorf("added a node that does not answer: %d %s", status, body)
	}
	for _, page := range []string{"a", "b", "c", "d"} {
		if got := r.visit(in, page); got.status != 200 {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// V13, P4: an instance that began a change and moves its arcs is killed; another
// goes on, and nothing is lost.
func TestAKilledMoverIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3, "--appendfsync", "everysec")
	a, b := r.start(), r.start()
	fourth := servers.StartRedis(t, "--appendfsync", "everysec")
	r.servers = append(r.servers, fourth)
	c := newRingCrowd(r, []*instance{b}, 2000).begin(3, 3)
	a.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, fourth.Addr))
	waitFor(t, "some arcs are moved", time.Minute, func() bool {
		m := a.ring().Moves
		return m.Total > 0 && m.Left < m.Total*9/10
	})
	left := b.ring().Moves.Left
	a.kill()
	if left == 0 {
		t.Error("everything was moved before the instance was killed")
	}
	b.moved()
	c.check()
}

// P2, P3, P4: a node is killed while a change is on: the change is made or
// undone, others go on, and when the node is back nothing is lost.
func TestANodeThatIsKilledDuringAChangeStopsNobodyForLong(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3) // synced at every write, so that the node comes back with all it had
	a, b := r.start(), r.start()
	c := newRingCrowd(r, []*instance{a, b}, 500).begin(4, 2)
	st := a.ring()
	victim := r.serverAt(st.Nodes[2].Addr)
	weight := 2
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 3 { // some of them meet the dead node, one its death
				a.administer(http.MethodPatch, "/ring/nodes/"+st.Nodes[0].ID, fmt.Sprintf(`{"weight":%d}`, weight))
			}
		}()
		time.Sleep(20 * time.Millisecond)
		victim.Kill()
		<-done
		deadline := time.Now().Add(10 * time.Second)
		healthy := func() bool { // a page of another node can be written
			for i := range 20 {
				if got := r.visit(b, fmt.Sprint("other", i)); got.status == 200 {
					return true
				}
			}
			return false
		}
		for !healthy() {
			if time.Now().After(deadline) {
				t.Fatal("nobody can write")
			}
		}
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		a.moved()
		weight++
	}
	c.check()
}

func (r *ring) serverAt(addr string) *servers.Redis {
	for _, s := range r.servers {
		if s.Addr == addr {
			return s
		}
	}
	r.t.Fatalf("no server at %s", addr)
	return nil
}

// P3: a node that came back empty is not counted as 0 anywhere, until an
// operator says that its counts are given up; that is on record from then on.
func TestALossIsAcceptedInSoManyWords(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3, "--appendfsync", "everysec")
	in := r.start()
	for i := range 30 {
		if got := r.visit(in, fmt.Sprint("page", i)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	lost := in.ring().Nodes[0] // the first one
	if status, body := in.administer(http.MethodDelete, "/ring/nodes/"+lost.ID, `{"accept_loss":true}`); status != 409 {
		t.Errorf("a node that answers was given up: %d %s", status, body)
	}
	for i, s := range r.servers {
		if s.Addr == lost.Addr {
			r.do(i, "flushall")
		}
	}
	if status, body := in.administer(http.MethodDelete, "/ring/nodes/"+lost.ID, ""); status != 503 {
		t.Errorf("an empty node was drained: %d %s", status, body)
	}
	st := in.ring()
	if st.Nodes[0].Away == "" || len(st.Losses) != 0 {
		t.Errorf("the status is %+v", st)
	}
	refused := 0
	for i := range 30 {
		if got := r.ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), ""); got.status == 503 {
			refused++
		} else if !strings.Contains(got.body, `"visits":1`) {
			t.Errorf("page%d: %d %s", i, got.status, got.body)
		}
	}
	in.change(http.MethodDelete, "/ring/nodes/"+lost.ID, `{"accept_loss":true}`)
	kept := 0
	for i := range 30 {
		got := r.ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), "")
		switch {
		case got.status == 200 && strings.Contains(got.body, `"visits":1`):
			kept++
		case got.status != 200 || !strings.Contains(got.body, `"visits":0`):
			t.Errorf("page%d: %d %s", i, got.status, got.body)
		}
	}
	if refused == 0 || kept != 30-refused {
		t.Errorf("%d pages were refused, and %d are kept", refused, kept)
	}
	if st := in.ring(); len(st.Losses) != 1 || st.Losses[0].Node != lost.ID {
		t.Errorf("the loss is not on record: %+v", st)
	}
}
