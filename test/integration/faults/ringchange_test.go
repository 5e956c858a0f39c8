package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V14: what can't be done is refused and changes nothing.
func TestBadChangesOfTheRingAreRefused(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	third := r.AddServer("--appendfsync", "everysec")
	add := service.AddBody(third)

	var plan struct{ Arcs int }
	in.Administer(http.MethodPost, "/ring/nodes", strings.Replace(add, "}", `,"dry_run":true}`, 1)).Into(t, &plan)
	check.Equal(t, plan.Arcs, 16384/3, "arcs of a dry run")
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
		{http.MethodDelete, "/ring/nodes/absent", ""},
	} {
		if got := in.Administer(c.method, c.path, c.body); got.Status != 400 && got.Status != 404 {
			t.Errorf("%s %s: %d %s", got.Request, c.body, got.Status, got.Body)
		}
	}
	id := st.ID(third.Addr)
	in.Remove(id, "")
	if got := in.Administer(http.MethodDelete, "/ring/nodes/"+id, ""); got.Status == 200 {
		t.Errorf("removed twice: %s", got.Body)
	}
	in.Moved()
	// It still has its ring: what it had counted once would be mixed with what
	// it counts then.
	other := servers.StartRedis(t)
	other.Kill()
	in.Administer(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, other.Addr)).Want(t, 503)
	for _, page := range []string{"a", "b", "c", "d"} {
		r.Visit(in, page).Want(t, 200)
	}
}

// P3: a node that came back empty is not counted as 0 anywhere, until an
// operator accepts their loss; that is on record from then on.
func TestALossIsAcceptedExplicitly(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	in := r.Start()
	for i := range 30 {
		r.MustVisit(in, fmt.Sprint("page", i))
	}
	lost := in.Ring().Nodes[0] // the first one
	in.Administer(http.MethodDelete, "/ring/nodes/"+lost.ID, `{"accept_loss":true}`).Want(t, 409)
	r.Do(slices.Index(r.Servers, r.ServerAt(lost.Addr)), "flushall")
	in.Administer(http.MethodDelete, "/ring/nodes/"+lost.ID, "").Want(t, 503)
	st := in.Ring()
	if st.Nodes[0].Away == "" || len(st.Losses) != 0 {
		t.Errorf("the status is %+v", st)
	}
	refused := 0
	for i := range 30 {
		if got := r.Read(in, fmt.Sprint("page", i)); got.Status == 503 {
			refused++
		} else if !strings.Contains(got.Body, `"visits":1`) {
			t.Errorf("page%d: %d %s", i, got.Status, got.Body)
		}
	}
	in.Remove(lost.ID, `{"accept_loss":true}`)
	kept := 0
	for i := range 30 {
		got := r.Read(in, fmt.Sprint("page", i))
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
