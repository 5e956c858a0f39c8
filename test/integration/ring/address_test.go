package ring_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// P1, P2, P4: under load, the server of a node is lost and its data is started at another
// address. The command tells one instance; both go on, and so do instances that start with
// the old list or the new one.
func TestANodeGoesOnAtAnotherAddressUnderLoad(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	a, b := r.Start(), r.Start()
	c := service.NewTrafficOf(r, 600, a, b).Start(4, 2)
	c.GoesOn(300)
	st := a.Ring()
	id := st.Nodes[0].ID // the one with the lowest id: it is fenced first
	old := r.ServerAt(st.Nodes[0].Addr)
	at := 0
	for r.Servers[at] != old {
		at++
	}
	old.Kill()
	c.GoesOn(100) // of the other nodes
	moved := old.Copy(t)
	r.Replace(at, moved)
	if out := a.MustTool("ring", "move-address", id, "redis://"+moved.Addr, "--dry-run"); !strings.Contains(out, `"arcs":0`) || a.Ring().Epoch != 1 {
		t.Errorf("dry run: %s, epoch %d", out, a.Ring().Epoch)
	}
	if out := a.MustTool("ring", "move-address", id, "redis://"+moved.Addr); !strings.Contains(out, `"left":0`) {
		t.Errorf("move-address: %s", out)
	}
	for _, page := range c.Pages {
		if r.StoredRing(at).Members()[0].Addr != moved.Addr {
			t.Fatalf("the stored ring is %+v", r.StoredRing(at).Members())
		}
		if ring := r.StoredRing(at); ring.Owner(ring.Arc(counting.Page(page))) == 0 {
			c.Heals(page)
			break
		}
	}
	c.GoesOn(300)
	oldList := r.Start()
	r.Seeds[at] = moved.Addr
	newList := r.Start()
	c.Check(oldList, newList)
	for _, in := range []*service.Instance{a, b, oldList, newList} {
		if st := in.Ring(); st.ID(moved.Addr) != id || st.Epoch != 2 {
			t.Errorf("the ring is %+v", st)
		}
		if want := fmt.Sprintf("footfall_batches_lost_total{node=%q} 0\n", id); !strings.Contains(in.Metrics(), want) {
			t.Errorf("the metrics have no %q:\n%s", want, in.Logged())
		}
	}
	if log := b.Logged(); !strings.Contains(log, "node is at another address") {
		t.Errorf("the other instance does not say it:\n%s", log)
	}
}

// P3: the address is refused, and nothing changes, unless the server there is the node, with
// the newest data, and alone.
func TestANewAddressOfAnotherServerIsRefused(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	pages := service.PageNames(30)
	for _, page := range pages {
		r.MustVisit(in, page)
	}
	id := in.Ring().ID(r.Seeds[0])
	server := r.Servers[0]
	server.Kill()
	before := server.Copy(t)
	check.Must(t, server.Start())
	service.WaitFor(t, "the node is back", func() bool { return r.Answers(0) })
	in.Weigh(id, 2)
	in.Moved()
	server.Kill()
	current := server.Copy(t)
	check.Must(t, server.Start())
	move := func(addr string) service.Reply {
		t.Helper()
		path := "/ring/nodes/" + id
		in.Administer(http.MethodPatch, path, fmt.Sprintf(`{"addr":"redis://%s","dry_run":true}`, addr))
		return in.Administer(http.MethodPatch, path, fmt.Sprintf(`{"addr":"redis://%s"}`, addr))
	}
	move(current.Addr).Want(t, http.StatusConflict, `"code":"two_servers"`, server.Addr, "stop the old one first")
	server.Kill()
	move(before.Addr).Want(t, http.StatusConflict, `"code":"wrong_server"`, "older copy", "newest data")
	move(servers.StartRedis(t).Addr).Want(t, http.StatusConflict, `"code":"wrong_server"`, "is empty")
	move(r.Servers[1].Copy(t).Addr).Want(t, http.StatusConflict, `"code":"wrong_server"`, "another node")
	replica := servers.StartRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(current.Port()))
	move(replica.Addr).Want(t, http.StatusConflict, `"code":"wrong_server"`, "replica")
	move(servers.FreeAddr(t)).Want(t, http.StatusServiceUnavailable, "Nothing was changed")
	move(r.Seeds[1]).Want(t, http.StatusBadRequest, `"code":"bad_change"`, "same address")
	move(r.Seeds[0]).Want(t, http.StatusBadRequest, `"code":"bad_change"`, "already")
	move("user:secret@n1:6379").Want(t, http.StatusBadRequest, `"code":"bad_change"`, "credentials")
	in.Administer(http.MethodPatch, "/ring/nodes/redis_1", `{"addr":"redis://n1:6379"}`).Want(t, http.StatusNotFound, `"code":"no_such_node"`)
	in.ToolFails([]string{"409", "is empty"}, "ring", "move-address", id, servers.StartRedis(t).Addr)
	if st := in.Ring(); st.Epoch != 2 || st.ID(r.Seeds[0]) != id {
		t.Errorf("what was refused has changed the ring: %+v", st)
	}
	move(current.Addr).Want(t, http.StatusOK, `"arcs":0`)
	for _, got := range r.MustRead(in, pages...) {
		check.Equal(t, *got.Visits, 1, "visits of %s", got.PageID)
	}
	check.Must(t, server.Start())
	current.Kill()
	move(server.Addr).Want(t, http.StatusConflict, `"code":"wrong_server"`, "older copy")
}
