package ring_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// The command line does what the admin listener does, and says what it is told.
func TestTheRingOnTheCommandLine(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	d := r.Deployment()
	d.Env = append(d.Env, "FOOTFALL_ADMIN_TOKEN=secret")
	in := d.Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	run := func(args ...string) (string, error) {
		cmd := d.Command(t.Context(), append([]string{"ring"}, args...)...)
		cmd.Env = append(cmd.Env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.Admin, "http://"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("ring %v: %v\n%s", args, err, out)
		}
		return out
	}
	status := func() (st service.RingState) {
		t.Helper()
		if err := json.Unmarshal([]byte(must("status")), &st); err != nil {
			t.Fatal(err)
		}
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
	if st := status(); st.Nodes[0].Weight != 2 {
		t.Errorf("status: %+v", st)
	}
	if out := must("owner", "home"); !strings.Contains(out, `"page_id":"home"`) {
		t.Errorf("owner: %s", out)
	}
	must("repair")
	if out, err := run("remove", "--accept-loss", st.Nodes[0].ID); err == nil || !strings.Contains(out, "409") {
		t.Errorf("a node that answers was given up: %v %s", err, out)
	}
	must("remove", st.Nodes[1].ID)
	if out, err := run("weight", "nobody", "2"); err == nil || !strings.Contains(out, "404") {
		t.Errorf("a node that isn't there: %v %s", err, out)
	}
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
			{http.MethodDelete, "/ring/nodes/" + node, ""},
		} {
			status, body := in.Administer(c.method, c.path, c.body)
			if status != http.StatusBadRequest || !strings.Contains(body, `"code":"bad_change"`) || !strings.Contains(body, "this store is one node") {
				t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, body)
			}
		}
		if out, err := in.Tool(d, "ring", "weight", node, "2"); err == nil || !strings.Contains(out, "400") || !strings.Contains(out, "this store is one node") {
			t.Errorf("ring weight on %s: %v %s", store, err, out)
		}
		if out, err := in.Tool(d, "ring", "repair"); err != nil || !strings.Contains(out, `"sweep"`) || strings.Contains(out, "unswept") {
			t.Errorf("ring repair on %s: %v %s", store, err, out)
		}
		if st := in.Ring(); st.Epoch != 1 || st.Nodes[0].Weight != 1 {
			t.Errorf("the ring of %s was changed: %+v", store, st)
		}
	}
}
