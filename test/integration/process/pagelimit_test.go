package process_test

import (
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// S5: beyond the limit of pages other names are refused, each alone. Known pages go on, and
// what is deleted makes room. The log, /readyz and the metrics say so.
func TestS5OtherNamesAreRefusedAtTheLimit(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_PAGE_LIMIT=100").Start()
	in.Record("home").Want(t, http.StatusOK)
	got := service.MustSend(t, http.MethodPost, in.Public+"/visits", bulkOf("flood", 150))
	got.Want(t, http.StatusOK, `{"page_id":"flood/98","status":"success"}`, `{"page_id":"flood/99","status":"failed","error":"page_limit"`)
	check.Equal(t, strings.Count(got.Body, "page_limit"), 51, "names that were refused")
	refused := in.Record("another")
	refused.Want(t, http.StatusServiceUnavailable, "page_limit")
	check.Equal(t, refused.Header.Get("Retry-After"), "60", "when to try again")
	in.Record("home").Want(t, http.StatusOK)
	in.Administer(http.MethodPut, "/pages/another", `{"count":3}`).Want(t, http.StatusServiceUnavailable, "page_limit")
	const why = "node embedded takes no other pages: it has as many as FOOTFALL_PAGE_LIMIT allows"
	service.WaitFor(t, "the log and /readyz say why", func() bool {
		return strings.Contains(in.Get("/readyz").Body, why) && strings.Contains(in.Logged(), "node is full")
	})
	metrics := in.Metrics()
	for _, line := range []string{
		"\nfootfall_pages{node=\"embedded\"} 100\n", "\nfootfall_node_full{bound=\"pages\",node=\"embedded\"} 1\n",
		"\nfootfall_refused_total{bound=\"total\",resource=\"pages\"} 53\n",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	in.Administer(http.MethodDelete, "/pages/flood%2F0", "").Want(t, http.StatusOK)
	in.Record("another").Want(t, http.StatusOK)
	in.Administer(http.MethodDelete, "/pages/flood%2F1", "").Want(t, http.StatusOK)
	service.WaitFor(t, "/readyz names no reason", func() bool { return !strings.Contains(in.Get("/readyz").Body, why) })
	in.Get("/visits/home").Want(t, http.StatusOK, `"visits":2`)
}

// S5: while less is free on the disk than the reserve, the embedded store refuses other
// names and keys. Known pages, ids and deletions go on. The log, /readyz and the metrics say
// so.
func TestS5TheReserveOfTheDiskIsForKnownPages(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	before := d.Start()
	before.Record("home").Want(t, http.StatusOK)
	before.Record("gone").Want(t, http.StatusOK)
	before.Stop()
	d.Env = append(d.Env, "FOOTFALL_DISK_RESERVE=1000000GiB")
	in := d.Start()
	in.Record("another").Want(t, http.StatusServiceUnavailable, `"code":"disk"`)
	service.AskOnce(in, "/visit/home", "a key", "").Want(t, http.StatusServiceUnavailable, `"code":"disk"`)
	service.MustSend(t, http.MethodPost, in.Public+"/visits", `[{"page_id":"home"},{"page_id":"another"}]`).
		Want(t, http.StatusOK, `{"page_id":"home","status":"success"}`, `"error":"disk"`)
	in.Record("home").Want(t, http.StatusOK)
	service.MustSend(t, http.MethodGet, in.Public+service.AcceptPath("1", ""), "").Want(t, http.StatusOK, "ok")
	in.Administer(http.MethodDelete, "/pages/gone", "").Want(t, http.StatusOK)
	in.Get("/visits?page_id=home&page_id=gone&page_id=another").Want(t, http.StatusOK, `"visits":3`, `"visits":0`)
	service.WaitFor(t, "the log and /readyz say why", func() bool {
		return strings.Contains(in.Get("/readyz").Body, "less than FOOTFALL_DISK_RESERVE is free") && strings.Contains(in.Logged(), "node is full")
	})
	metrics := in.Metrics()
	for _, line := range []string{
		"\nfootfall_node_full{bound=\"disk\",node=\"embedded\"} 1\n", "\nfootfall_node_disk_free_bytes{node=\"embedded\"} ",
		"\nfootfall_refused_total{bound=\"total\",resource=\"disk\"} 3\n",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
