package admin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/httpcheck"
)

func ringStatus() sharding.Status {
	return sharding.Status{
		Epoch: 3, Fence: 3,
		Nodes: []sharding.MemberStatus{
			{Member: sharding.Member{ID: "redis_7070", Addr: "n1:7070", Weight: 1, State: sharding.Active}, Share: 0.5},
			{Member: sharding.Member{ID: "redis_7071", Addr: "n2:7071", Weight: 1, State: sharding.Active}, Share: 0.5, Incoming: 7, Away: "it does not answer"},
		},
		Losses: []sharding.Loss{{Node: "redis_7069", Epoch: 2}},
		Moves: sharding.Progress{Left: 7, Total: 100, Arcs: 40, Pages: 400, Rate: 3.5, Estimate: 2, Stuck: []sharding.StuckArc{
			{Arc: 5, From: "redis_7070", To: "redis_7071", At: "redis_7071", Reason: "refused", Why: "pages can't be added: 1 of arc 5 on redis_7071"},
		}},
	}
}

const asJSON = "application/json"

func TestTheRingIsShown(t *testing.T) {
	h, m := newAdmin(t, "", true)
	m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus())
	httpcheck.Golden(t, "ring", administer(t, h, "GET", "/ring", "", ""))
	m.ring.EXPECT().Status(gomock.Any()).Return(sharding.Status{Epoch: 1, Fence: 1, Nodes: []sharding.MemberStatus{}, Losses: []sharding.Loss{}})
	httpcheck.Golden(t, "ring_empty", administer(t, h, "GET", "/ring", "", ""))
	partition := sharding.MemberStatus{Member: sharding.Member{ID: "p00", Addr: "p00", Weight: 1, State: sharding.Active}, Host: "redis_10.0.0.1_6379", Share: 1}
	m.ring.EXPECT().Status(gomock.Any()).Return(sharding.Status{Epoch: 1, Fence: 1, Nodes: []sharding.MemberStatus{partition}, Losses: []sharding.Loss{}})
	httpcheck.Golden(t, "ring_partition", administer(t, h, "GET", "/ring", "", ""))
	m.ring.EXPECT().Owner(counting.Page("a/b")).Return(sharding.PageOwner{Page: "a/b", Node: "redis_7070", Arc: 17})
	httpcheck.Golden(t, "ring_owner", administer(t, h, "GET", "/ring/owner?page_id=a%2Fb", "", ""))
	m.ring.EXPECT().Owner(counting.Page("home")).Return(sharding.PageOwner{Page: "home", Node: "p00", Host: "redis_10.0.0.1_6379", Arc: 18})
	httpcheck.Golden(t, "ring_owner_partition", administer(t, h, "GET", "/ring/owner?page_id=home", "", ""))
	httpcheck.Golden(t, "ring_bad_page", administer(t, h, "GET", "/ring/owner?page_id=", "", ""))
}

func TestTheRingIsChanged(t *testing.T) {
	plan := sharding.Plan{Epoch: 4, Arcs: 30, Nodes: map[counting.NodeID]int{"redis_7070": -30, "redis_7072": 30}}
	h, m := newAdmin(t, "", true)
	m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus()).Times(7) // for the verbs about a node
	m.ring.EXPECT().Add(gomock.Any(), "redis://n3:7072", 1, false).Return(plan, nil)
	httpcheck.Golden(t, "ring_planned", administer(t, h, "POST", "/ring/nodes", asJSON, `{"addr":"redis://n3:7072"}`))
	m.ring.EXPECT().Add(gomock.Any(), "redis://n3:7072", 5, true).Return(plan, nil)
	httpcheck.Golden(t, "ring_dry", administer(t, h, "POST", "/ring/nodes", asJSON+"; charset=utf-8", `{"addr":"redis://n3:7072","weight":5,"dry_run":true}`))
	m.ring.EXPECT().MoveAddress(gomock.Any(), counting.NodeID("redis_7071"), "redis://n9:7071", false).Return(sharding.Plan{Epoch: 5, Nodes: map[counting.NodeID]int{}}, nil)
	httpcheck.Golden(t, "ring_moved_address", administer(t, h, "PATCH", "/ring/nodes/redis_7071", asJSON, `{"addr":"redis://n9:7071"}`))
	m.ring.EXPECT().Reweight(gomock.Any(), counting.NodeID("redis_7071"), 2, false).Return(plan, nil)
	httpcheck.Golden(t, "ring_planned", administer(t, h, "PATCH", "/ring/nodes/redis_7071", asJSON, `{"weight":2}`))
	m.ring.EXPECT().Remove(gomock.Any(), counting.NodeID("redis_7071"), false).Return(plan, nil)
	httpcheck.Golden(t, "ring_planned", administer(t, h, "DELETE", "/ring/nodes/redis_7071", "", ""))
	m.ring.EXPECT().Abandon(gomock.Any(), false, counting.NodeID("redis_7071")).Return(plan, nil)
	httpcheck.Golden(t, "ring_planned", administer(t, h, "DELETE", "/ring/nodes/redis_7071", asJSON, `{"accept_loss":true}`))
	m.ring.EXPECT().Abandon(gomock.Any(), false, counting.NodeID("redis_7071"), counting.NodeID("redis_7070")).Return(plan, nil)
	httpcheck.Golden(t, "ring_planned", administer(t, h, "DELETE", "/ring/nodes/redis_7071", asJSON, `{"accept_loss":true,"also":["redis_7070"]}`))
	m.ring.EXPECT().Abandon(gomock.Any(), false, gomock.Any()).DoAndReturn(func(_ context.Context, _ bool, ids ...counting.NodeID) (sharding.Plan, error) {
		if len(ids) != 1 || ids[0] != "redis_7071" {
			t.Errorf("%v are abandoned, want redis_7071 once", ids)
		}
		return plan, nil
	})
	httpcheck.Golden(t, "ring_planned", administer(t, h, "DELETE", "/ring/nodes/redis_7071", asJSON, `{"accept_loss":true,"also":["redis_7071"]}`))
	lost := plan
	lost.Loss = &sharding.PlannedLoss{
		Nodes:        []sharding.AbandonedNode{{ID: "redis_7071", Share: 0.5, Away: "it does not answer"}},
		WindowsUntil: time.Date(2026, 11, 22, 10, 6, 0, 0, time.UTC),
	}
	m.ring.EXPECT().Abandon(gomock.Any(), true, counting.NodeID("redis_7071")).Return(lost, nil)
	httpcheck.Golden(t, "ring_rehearsed_loss", administer(t, h, "DELETE", "/ring/nodes/redis_7071", asJSON, `{"accept_loss":true,"dry_run":true}`))
	m.ring.EXPECT().Repair(gomock.Any()).Return(nil)
	swept := ringStatus()
	swept.Sweep = &sharding.Sweep{
		At: time.Unix(1763800000, 0).UTC(), Forgotten: 12, More: 3,
		Orphans: []sharding.Orphan{
			{Node: "redis_7070", Orphan: counting.Orphan{Arc: 5, Pages: 61}},
			{Node: "redis_7071", Orphan: counting.Orphan{Arc: 6, Table: 2, Pages: 1}},
			{Node: "redis_7071", Orphan: counting.Orphan{Arc: 7, Table: 3, Quarantined: true, Pages: 2}},
		},
		Unswept: map[counting.NodeID]string{"redis_7071": "it does not answer"},
	}
	m.ring.EXPECT().Status(gomock.Any()).Return(swept)
	httpcheck.Golden(t, "ring_swept", administer(t, h, "POST", "/ring/repair", "", ""))
}

func TestAChangeOfTheRingIsRefused(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("node redis_7071: %w", err) }
	for _, c := range []struct {
		name, method, target, kind, body string
		err                              error
	}{
		{"ring_not_json", "POST", "/ring/nodes", "text/plain", `{"addr":"n3:7072"}`, nil},
		{"ring_not_json", "POST", "/ring/nodes", "", `{"addr":"n3:7072"}`, nil},
		{"ring_not_json", "PATCH", "/ring/nodes/redis_7070", "application/x-www-form-urlencoded", `weight=2`, nil},
		{"ring_not_json", "DELETE", "/ring/nodes/redis_7070", "text/plain", "", nil},
		{"ring_not_json", "POST", "/ring/repair", "text/plain", "", nil},
		{"ring_no_object", "POST", "/ring/nodes", asJSON, `[]`, nil},
		{"ring_bad_body", "POST", "/ring/nodes", asJSON, ``, nil},
		{"ring_no_addr", "POST", "/ring/nodes", asJSON, `{"weight":2}`, nil},
		{"ring_no_weight", "PATCH", "/ring/nodes/redis_7070", asJSON, `{}`, nil},
		{"ring_no_weight", "PATCH", "/ring/nodes/redis_7070", asJSON, `{"weight":2,"addr":"n9:7070"}`, nil},
		{"ring_no_node", "PATCH", "/ring/nodes/unknown", asJSON, `{"weight":2}`, nil},
		{"ring_no_node", "DELETE", "/ring/nodes/unknown", "", "", nil},
		{"ring_no_node", "DELETE", "/ring/nodes/redis_7070", asJSON, `{"accept_loss":true,"also":["unknown"]}`, nil},
		{"ring_also", "DELETE", "/ring/nodes/redis_7070", asJSON, `{"also":["redis_7071"]}`, nil},
		{"ring_too_large", "POST", "/ring/nodes", asJSON, `{"addr":"` + strings.Repeat("x", 5000) + `"}`, nil},
		{"ring_bad_change", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, fmt.Errorf("%w: node redis_7072 is in it already", sharding.ErrBadChange)},
		{"ring_fixed", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, sharding.ErrFixed},
		{"ring_busy", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, wrapped(sharding.ErrBusy)},
		{"ring_not_empty", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, wrapped(sharding.ErrNotEmpty)},
		{"ring_away", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, wrapped(counting.ErrUnavailable)},
		{"ring_in_doubt", "POST", "/ring/nodes", asJSON, `{"addr":"n3:7072"}`, wrapped(errors.New("cut off"))},
	} {
		h, m := newAdmin(t, "", true)
		m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus()).AnyTimes()
		if c.err != nil {
			m.ring.EXPECT().Add(gomock.Any(), "n3:7072", 1, false).Return(sharding.Plan{}, c.err)
		}
		httpcheck.Golden(t, c.name, administer(t, h, c.method, c.target, c.kind, c.body))
	}
	h, m := newAdmin(t, "", true)
	m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus()).Times(2)
	m.ring.EXPECT().Remove(gomock.Any(), counting.NodeID("redis_7070"), false).Return(sharding.Plan{}, wrapped(counting.ErrUnavailable))
	httpcheck.Golden(t, "ring_remedies", administer(t, h, "DELETE", "/ring/nodes/redis_7070", "", ""))
	for name, err := range map[string]error{"ring_answers": fmt.Errorf("node redis_7071: %w", sharding.ErrAnswers), "ring_no_majority": fmt.Errorf("%w: of 3 nodes 2 are to be abandoned", sharding.ErrMinority)} {
		m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus())
		m.ring.EXPECT().Abandon(gomock.Any(), false, counting.NodeID("redis_7070")).Return(sharding.Plan{}, err)
		httpcheck.Golden(t, name, administer(t, h, "DELETE", "/ring/nodes/redis_7070", asJSON, `{"accept_loss":true}`))
	}
	for name, err := range map[string]error{
		"ring_wrong_server": fmt.Errorf("%w: the one at n9:7070 is empty", sharding.ErrWrongServer), "ring_two_servers": fmt.Errorf("%w: stop the old one first", sharding.ErrTwoServers),
	} {
		m.ring.EXPECT().Status(gomock.Any()).Return(ringStatus())
		m.ring.EXPECT().MoveAddress(gomock.Any(), counting.NodeID("redis_7070"), "n9:7070", false).Return(sharding.Plan{}, err)
		httpcheck.Golden(t, name, administer(t, h, "PATCH", "/ring/nodes/redis_7070", asJSON, `{"addr":"n9:7070"}`))
	}
	// A page of another origin can't change the ring.
	httpcheck.Golden(t, "admin_foreign_origin", httpcheck.Send(t, h, "POST", "/ring/repair", "", "Host", "127.0.0.1:8001", "Origin", "http://evil.example"))
}

// A misspelt dry_run must not make the change. None of these asks the ring.
func TestAChangeWithABadBodyChangesNothing(t *testing.T) {
	for _, c := range []struct{ method, target, body string }{
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5,"dryrun":true}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5,"DRY_RUN":true}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5,"addr":"n3:7072"}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5,"weight":6}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5} {"dry_run":true}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5.0}`},
		{"PATCH", "/ring/nodes/redis_7070", `{"weight":5,"dry_run":null}`},
		{"POST", "/ring/nodes", `{"addr":"n3:7072","dryrun":true}`},
		{"POST", "/ring/nodes", `{"addr":"n3:7072","addr":"n4:7072"}`},
		{"POST", "/ring/nodes", `{"addr":"n3\udcff:7072"}`},
		{"POST", "/ring/nodes", "{\"addr\":\"n3\xff:7072\"}"},
		{"POST", "/ring/nodes", `{"addr":"n3:7072"}]`},
		{"POST", "/ring/nodes", `{"addr":"n3:7072","accept_loss":true}`},
		{"DELETE", "/ring/nodes/redis_7070", `{"dryrun":true}`},
		{"DELETE", "/ring/nodes/redis_7070", `{"dry_run":true,"weight":0}`},
		{"DELETE", "/ring/nodes/redis_7070", `{"accept_loss":true,"accept_loss":false}`},
		{"DELETE", "/ring/nodes/redis_7070", `{"accept_loss":true,"also":["redis_7071"],"also":[]}`},
		{"POST", "/ring/repair", `{"dry_run":true}`},
		{"POST", "/ring/repair", `{}{}`},
	} {
		h, _ := newAdmin(t, "", true)
		if w := administer(t, h, c.method, c.target, asJSON, c.body); w.Code != 400 || !strings.Contains(w.Body.String(), `"code":"bad_body"`) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, w.Code, w.Body)
		}
	}
	h, _ := newAdmin(t, "", true)
	httpcheck.Golden(t, "ring_unknown_field", administer(t, h, "PATCH", "/ring/nodes/redis_7070", asJSON, `{"weight":5,"dryrun":true}`))
}
