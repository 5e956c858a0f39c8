package ring_test

import (
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// F8: a change with an unknown field or parameter, or with a field that is there twice,
// changes nothing. This goes for all routes of both listeners. A misspelt dry_run is no change.
func TestF8WhatIsNotKnownChangesNothing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	r.MustVisit(in, "home")
	before := in.Ring()
	node := "/ring/nodes/" + before.ID(r.Seeds[0])
	spare := service.AddBody(r.AddServer())
	add := strings.TrimSuffix(spare, "}")
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", node, `{"weight":5,"dryrun":true}`},
		{"PATCH", node, `{"weight":5,"Dry_Run":true}`},
		{"PATCH", node, `{"weight":5,"dry_run":true,"dry_run":false}`},
		{"PATCH", node, `{"weight":5,"WEIGHT":6}`},
		{"PATCH", node, `{"weight":5} {"dry_run":true}`},
		{"PATCH", node, `{"weight":5}x`},
		{"PATCH", node, `{"weight":5,"dry_run":null}`},
		{"PATCH", node + "?dry_run=true", `{"weight":5}`},
		{"PATCH", node, `{"dry_run":false}`},
		{"PATCH", node, add + `,"weight":5}`},
		{"PATCH", node, add + `,"dryrun":true}`},
		{"POST", "/ring/nodes", add + `,"dryrun":true}`},
		{"POST", "/ring/nodes", add + `,"addr":"redis://h:1"}`},
		{"POST", "/ring/nodes?dry-run=true", spare},
		{"DELETE", node, `{"dryrun":true}`},
		{"DELETE", node, `{"dry_run":true,"dry_run":false}`},
		{"DELETE", node + "?dryrun=true", ""},
		{"DELETE", node + "?dry-run", ""},
		{"POST", "/ring/repair", `{"dry_run":true}`},
		{"POST", "/ring/repair?dry_run=true", ""},
		{"PUT", "/pages/home", `{"count":5,"dry_run":true}`},
		{"PUT", "/pages/home", `{"count":5,"count":6}`},
		{"PUT", "/pages/home?dry_run=true", `{"count":5}`},
		{"POST", "/pages", `[{"page_id":"home","count":5,"Count":6}]`},
		{"POST", "/pages", `[{"page_id":"home","count":5}] []`},
		{"POST", "/pages?dry_run=true", `[{"page_id":"home","count":5}]`},
		{"DELETE", "/pages/home", `{"dry_run":true}`},
		{"DELETE", "/pages/home?dry_run=true", ""},
		{"GET", "/pages?limit=1", ""},
		{"GET", "/ring?node=x", ""},
		{"GET", "/ring/owner?page_id=home&page=x", ""},
		{"GET", "/windows/footfall_20261122T100500Z?endpoint=x", ""},
	} {
		in.Administer(c.method, c.path, c.body).Want(t, http.StatusBadRequest)
	}
	for _, prefix := range []string{"", "/api/v1/counter"} {
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/visit/home?count=5", ""},
			{"POST", "/visit/home", `{"count":5}`},
			{"POST", "/visits?count=5", `[{"page_id":"home"}]`},
			{"POST", "/visits", `[{"page_id":"home"}] []`},
			{"GET", "/visits/home?from=2026-11-22", ""},
			{"GET", "/visits?page_id=home&page=other", ""},
		} {
			service.MustSend(t, c.method, in.Public+prefix+c.path, c.body, "Content-Type", "application/json").Want(t, http.StatusBadRequest)
		}
		for _, item := range []string{`{"page_id":"home","Count":5}`, `{"page_id":"home","count":5,"count":6}`, `{"page_id":"home","page":"x"}`, `{"page_id":"home","page_id":"x"}`} {
			for _, body := range []string{"[" + item + `,{"page_id":"other"}]`, item + "\n{\"page_id\":\"other\"}\n"} {
				service.MustSend(t, "POST", in.Public+prefix+"/visits", body).Want(t, http.StatusOK, `"failed"`, `{"page_id":"other","status":"success"}`)
			}
		}
		service.MustSend(t, "POST", in.Public+prefix+"/visit/other", "{}", "Content-Type", "application/json").Want(t, http.StatusOK)
	}
	in.Get("/events?page=home").Want(t, http.StatusBadRequest)
	in.Get("/api/verve/windows?state=open").Want(t, http.StatusBadRequest)
	in.Get("/api/verve/accept?id=1&dry_run=true").Want(t, http.StatusBadRequest, "failed")
	in.Get("/?utm_source=mail").Want(t, http.StatusOK)
	in.Get("/healthz?probe=1").Want(t, http.StatusOK)
	in.Administer(http.MethodGet, "/metrics?probe=1", "").Want(t, http.StatusOK)

	after := in.Ring()
	check.Equal(t, after.Epoch, before.Epoch, "the epoch")
	check.Equal(t, len(after.Nodes), 2, "nodes")
	check.Equal(t, in.Visits("home"), 1, "visits of home")
	check.Equal(t, in.Visits("other"), 18, "visits of other")
}
