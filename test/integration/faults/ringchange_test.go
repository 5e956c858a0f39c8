package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V14: what can't be done is refused and changes nothing.
func TestBadChangesOfTheRingAreRefused(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.Servers = append(r.Servers, third)
	add := fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr)

	status, body := in.Administer(http.MethodPost, "/ring/nodes", strings.Replace(add, "}", `,"dry_run":true}`, 1))
	var plan struct{ Arcs int }
	if err := json.Unmarshal([]byte(body), &plan); err != nil || status != 200 || plan.Arcs != 16384/3 {
		t.Errorf("dry run: %d %s", status, body)
	}
	if st := in.Ring(); st.Epoch != 1 || len(st.Nodes) != 2 {
		t.Errorf("a dry run changed the ring: %+v", st)
	}
	in.Change(http.MethodPost, "/ring/nodes", add)
	in.Moved()
	st := in.Ring()
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "/ring/nodes", add},                                        // again
		{http.MethodPost, "/ring/nodes", `{"addr":"redis://user:pass@127.0.0.1:1"}`}, // credentials
		{http.MethodPost, "/ring/nodes", `{"addr":"http://127.0.0.1:1/"}`},
		{http.MethodPatch, "/ring/nodes/" + st.Nodes[0].ID, `{"weight":0}`},
		{http.MethodDelete, "/ring/nodes/nobody", ""},
	} {
		if status, body := in.Administer(c.method, c.path, c.body); status != 400 && status != 404 {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, body)
		}
	}
	id := ""
	for _, n := range st.Nodes {
		if n.Addr == third.Addr {
			id = n.ID
		}
	}
	in.Change(http.MethodDelete, "/ring/nodes/"+id, "")
	if status, body := in.Administer(http.MethodDelete, "/ring/nodes/"+id, ""); status == 200 {
		t.Errorf("removed twice: %s", body)
	}
	in.Moved()
	// It still has its ring: what it had counted once would be mixed with what
	// it counts then.
	other := servers.StartRedis(t)
	other.Kill()
	if status, body := in.Administer(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, other.Addr)); status != 503 {
		t.Errorf("added a node that does not answer: %d %s", status, body)
	}
	for _, page := range []string{"a", "b", "c", "d"} {
		if got := r.Visit(in, page); got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
}

// V13, P4: an instance that began a change and moves its arcs is killed; another
// goes on, and nothing is lost.
func TestAKilledMoverIsReplaced(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	a, b := r.Start(), r.Start()
	fourth := servers.StartRedis(t, "--appendfsync", "everysec")
	r.Servers = append(r.Servers, fourth)
	c := service.NewRingCrowd(r, []*service.Instance{b}, 2000).Begin(3, 3)
	a.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, fourth.Addr))
	service.WaitFor(t, "some arcs are moved", time.Minute, func() bool {
		m := a.Ring().Moves
		return m.Total > 0 && m.Left < m.Total*9/10
	})
	left := b.Ring().Moves.Left
	a.Kill()
	if left == 0 {
		t.Error("everything was moved before the instance was killed")
	}
	b.Moved()
	c.Check()
}

// P2, P3, P4: a node is killed while a change is on: the change is made or
// undone, others go on, and when the node is back nothing is lost.
func TestANodeThatIsKilledDuringAChangeStopsNobodyForLong(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3) // synced at every write, so that the node comes back with all it had
	a, b := r.Start(), r.Start()
	c := service.NewRingCrowd(r, []*service.Instance{a, b}, 500).Begin(4, 2)
	st := a.Ring()
	victim := r.ServerAt(st.Nodes[2].Addr)
	weight := 2
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 3 { // some of them meet the dead node, one its death
				a.Administer(http.MethodPatch, "/ring/nodes/"+st.Nodes[0].ID, fmt.Sprintf(`{"weight":%d}`, weight))
			}
		}()
		time.Sleep(20 * time.Millisecond)
		victim.Kill()
		<-done
		deadline := time.Now().Add(10 * time.Second)
		healthy := func() bool { // a page of another node can be written
			for i := range 20 {
				if got := r.Visit(b, fmt.Sprint("other", i)); got.Status == 200 {
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
		a.Moved()
		weight++
	}
	c.Check()
}

// P3: a node that came back empty is not counted as 0 anywhere, until an
// operator says that its counts are given up; that is on record from then on.
func TestALossIsAcceptedInSoManyWords(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	in := r.Start()
	for i := range 30 {
		if got := r.Visit(in, fmt.Sprint("page", i)); got.Status != 200 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	lost := in.Ring().Nodes[0] // the first one
	if status, body := in.Administer(http.MethodDelete, "/ring/nodes/"+lost.ID, `{"accept_loss":true}`); status != 409 {
		t.Errorf("a node that answers was given up: %d %s", status, body)
	}
	for i, s := range r.Servers {
		if s.Addr == lost.Addr {
			r.Do(i, "flushall")
		}
	}
	if status, body := in.Administer(http.MethodDelete, "/ring/nodes/"+lost.ID, ""); status != 503 {
		t.Errorf("an empty node was drained: %d %s", status, body)
	}
	st := in.Ring()
	if st.Nodes[0].Away == "" || len(st.Losses) != 0 {
		t.Errorf("the status is %+v", st)
	}
	refused := 0
	for i := range 30 {
		if got := r.Ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), ""); got.Status == 503 {
			refused++
		} else if !strings.Contains(got.Body, `"visits":1`) {
			t.Errorf("page%d: %d %s", i, got.Status, got.Body)
		}
	}
	in.Change(http.MethodDelete, "/ring/nodes/"+lost.ID, `{"accept_loss":true}`)
	kept := 0
	for i := range 30 {
		got := r.Ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), "")
		switch {
		case got.Status == 200 && strings.Contains(got.Body, `"visits":1`):
			kept++
		case got.Status != 200 || !strings.Contains(got.Body, `"visits":0`):
			t.Errorf("page%d: %d %s", i, got.Status, got.Body)
		}
	}
	if refused == 0 || kept != 30-refused {
		t.Errorf("%d pages were refused, and %d are kept", refused, kept)
	}
	if st := in.Ring(); len(st.Losses) != 1 || st.Losses[0].Node != lost.ID {
		t.Errorf("the loss is not on record: %+v", st)
	}
}
