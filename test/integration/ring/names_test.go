package ring_test

import (
	"fmt"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// onHost starts a server at another address of this machine, with the port of a server.
func onHost(t *testing.T, host string, like *servers.Redis) *servers.Redis {
	t.Helper()
	s := servers.StartRedis(t, "--bind", host, "--port", fmt.Sprint(like.Port()))
	s.Addr = fmt.Sprint(host, ":", like.Port())
	return s
}

// wantNames checks the names of the nodes of a ring, in order, and that each is used.
func wantNames(t *testing.T, in *service.Instance, want ...string) {
	t.Helper()
	var got []string
	for _, n := range in.Ring().Nodes {
		got = append(got, n.ID)
		check.Equal(t, n.Away, "", "why %s is away", n.ID)
	}
	check.Equal(t, strings.Join(got, " "), strings.Join(want, " "), "the names")
	if strings.Contains(in.Logged(), "is not used") {
		t.Errorf("a configured node is not used:\n%s", in.Logged())
	}
}

// N9: a node that joins is named by the rule of the first start.
func TestN9ANodeThatSharesAPortIsNamedByItsHost(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"} // a member that has left is soon dropped
	second, third := onHost(t, "127.0.0.2", r.Servers[0]), onHost(t, "127.0.0.3", r.Servers[0])
	r.Seeds = append(r.Seeds, second.Addr)
	in := r.Start()
	name := func(host string) string { return fmt.Sprint("redis_", host, "_", r.Servers[0].Port()) }
	wantNames(t, in, name("127.0.0.1"), name("127.0.0.2"))
	in.Add(third)
	in.Moved()
	wantNames(t, in, name("127.0.0.1"), name("127.0.0.2"), name("127.0.0.3"))
	pages := service.PageNames(50)
	r.Bulk(in, pages)

	// The list may drop what was removed, and the names stay.
	in.Remove(name("127.0.0.2"), "")
	service.WaitFor(t, "the ring has forgotten the node", func() bool { return len(in.Ring().Nodes) == 2 })
	in.Stop()
	r.Seeds = r.Seeds[:1]
	in = r.Start()
	wantNames(t, in, name("127.0.0.1"), name("127.0.0.3"))
	for _, page := range pages {
		check.Equal(t, in.Visits(page), 1, "visits of %s", page)
	}
}
