package ring_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// The command line does what the admin listener does, and prints its answers.
func TestTheRingOnTheCommandLine(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	d := r.Deployment()
	d.Env = append(d.Env, "FOOTFALL_ADMIN_TOKEN=a secret of the test")
	in := d.Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	must := func(args ...string) string { return in.MustTool(append([]string{"ring"}, args...)...) }
	status := func() (st service.RingState) {
		t.Helper()
		check.Must(t, json.Unmarshal([]byte(must("status")), &st))
		return st
	}
	if st := status(); st.Epoch != 1 || len(st.Nodes) != 2 {
		t.Errorf("status: %+v", st)
	}
	if out := must("add", "--dry-run", third.Addr); !strings.Contains(out, `"dry_run":true`) || status().Epoch != 1 {
		t.Errorf("dry run: %s", out)
	}
	lines := strings.Split(strings.TrimSpace(must("add", "redis://"+third.Addr)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], `"left":0`) { // the plan, and the ring in the end
		t.Errorf("add: %q", lines)
	}
	st := status()
	if len(st.Nodes) != 3 {
		t.Fatalf("status: %+v", st)
	}
	must("weight", st.Nodes[0].ID, "2")
	check.Equal(t, status().Nodes[0].Weight, 2, "the weight")
	if out := must("owner", "home"); !strings.Contains(out, `"page_id":"home"`) {
		t.Errorf("owner: %s", out)
	}
	must("repair")
	in.ToolFails([]string{"409"}, "ring", "remove", "--accept-loss", st.Nodes[0].ID) // it answers
	must("remove", st.Nodes[1].ID)
	in.ToolFails([]string{"404"}, "ring", "weight", "absent", "2")
}

// A store that is one node refuses every change of its ring in the same way.
func TestTheRingOfOneNodeIsNotChanged(t *testing.T) {
	t.Parallel()
	for store, node := range map[string]string{"embedded://./data": "embedded", "memory://": "memory"} {
		d := service.NewDeployment(t, "FOOTFALL_STORE="+store)
		in := d.Start()
		for _, c := range []struct{ method, path, body string }{
			{http.MethodPost, "/ring/nodes", `{"addr":"redis://n4:6379"}`},
			{http.MethodPatch, "/ring/nodes/" + node, `{"weight":2}`},
			{http.MethodPatch, "/ring/nodes/" + node, `{"weight":2,"dry_run":true}`},
			{http.MethodPatch, "/ring/nodes/" + node, `{"addr":"redis://n4:6379"}`},
			{http.MethodDelete, "/ring/nodes/" + node, ""},
		} {
			in.Administer(c.method, c.path, c.body).Want(t, http.StatusBadRequest, `"code":"bad_change"`, "this store is one node")
		}
		in.ToolFails([]string{"400", "this store is one node"}, "ring", "weight", node, "2")
		in.ToolFails([]string{"400", "this store is one node"}, "ring", "move-address", node, "redis://n4:6379")
		if out, err := in.Tool("ring", "repair"); err != nil || !strings.Contains(out, `"sweep"`) || strings.Contains(out, "unswept") {
			t.Errorf("ring repair on %s: %v %s", store, err, out)
		}
		if st := in.Ring(); st.Epoch != 1 || st.Nodes[0].Weight != 1 {
			t.Errorf("the ring of %s was changed: %+v", store, st)
		}
	}
}
