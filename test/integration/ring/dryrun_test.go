package ring_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// N8: a rehearsal, and a change that is refused, leave neither a metric of the node that
// was asked nor a connection to it.
func TestN8ADryRunLeavesNothing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	spare, used := servers.StartRedis(t), servers.StartRedis(t)
	c := used.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.HSet(t.Context(), "ff:T", "node", "redis_1").Err())
	dry := strings.TrimSuffix(service.AddBody(spare), "}") + `,"dry_run":true}`
	for range 3 {
		in.Administer(http.MethodPost, "/ring/nodes", dry).Want(t, http.StatusOK, `"dry_run":true`)
		in.Administer(http.MethodPost, "/ring/nodes", service.AddBody(used)).Want(t, http.StatusConflict, `"code":"not_empty"`)
	}
	for _, s := range []*servers.Redis{spare, used} {
		if node := fmt.Sprintf("node=%q", fmt.Sprint("redis_", s.Port())); strings.Contains(in.Metrics(), node) {
			t.Errorf("after it, there are metrics of %s", node)
		}
		c := s.Client()
		defer func() { _ = c.Close() }()
		check.Must(t, c.Ping(t.Context()).Err()) // by its answer, the server has seen what was closed before
		if list := check.Value(c.ClientList(t.Context()).Result())(t); strings.Contains(list, "cmd=eval") {
			t.Errorf("after it, %s has the connections\n%s", s.Addr, list)
		}
	}
	if t.Failed() {
		return
	}
	in.Add(spare) // and the node can join
	in.Moved()
	if node := fmt.Sprintf("node=%q", fmt.Sprint("redis_", spare.Port())); !strings.Contains(in.Metrics(), node) {
		t.Errorf("there are no metrics of %s, which has joined", node)
	}
}
