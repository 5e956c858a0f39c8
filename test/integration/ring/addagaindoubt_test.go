package ring_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// X5, P1, P2: an instance has a batch in doubt at a node, which another instance removes.
// The node is emptied and added again. Nothing is lost, so no loss is reported, and the
// batch is not applied again.
func TestX5ANodeThatIsAddedAgainHasLostNoBatchInDoubt(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	proxy := servers.StartProxy(t, r.Servers[0].Addr)
	r.Seeds[0] = proxy.Addr
	other, in := r.Start(), r.Start()
	pages := r.Pages(in, 3)
	var all []string
	for _, some := range pages {
		all = append(all, some...)
	}
	for _, page := range all {
		r.MustVisit(in, page)
	}

	r.Servers[0].Freeze()
	in.Record(pages[0][0]).Want(t, http.StatusGatewayTimeout, "in_doubt")
	check.Must(t, in.Cmd.Process.Signal(syscall.SIGSTOP))
	service.WaitFor(t, "the instance is stopped", in.IsStopped)
	proxy.Refuse() // no answer to the batch arrives any more
	r.Servers[0].Thaw()
	check.Must(t, proxy.Accept())

	id := other.Ring().ID(proxy.Addr)
	other.Remove(id, "")
	service.WaitFor(t, "the ring has forgotten the node", func() bool { return len(other.Ring().Nodes) == 2 })
	want := r.MustRead(other, all...)
	r.Do(0, "flushall")
	other.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, proxy.Addr))
	other.Moved()
	check.Equal(t, in.IsStopped(), true, "the instance was stopped all the time")
	check.Must(t, in.Cmd.Process.Signal(syscall.SIGCONT))

	// A visit of each page is behind the batch in doubt, so that it is resolved then.
	for _, page := range all {
		key := "after-" + page
		service.WaitFor(t, "a visit of "+page, func() bool {
			got, _ := service.Request(r.Client, http.MethodPost, in.Public+"/visit/"+page, "", "Idempotency-Key", key)
			return got.Status == http.StatusOK
		})
	}
	for i, page := range r.MustRead(other, all...) {
		check.Equal(t, *page.Visits, *want[i].Visits+1, "visits of %s", page.PageID)
		if i > 0 {
			check.Equal(t, *page.Visits, 2, "visits of %s", page.PageID)
		}
	}
	if want := fmt.Sprintf("footfall_batches_lost_total{node=%q} 0\n", id); !strings.Contains(in.Metrics(), want) {
		t.Errorf("the metrics have no %q:\n%s", want, in.Logged())
	}
}
