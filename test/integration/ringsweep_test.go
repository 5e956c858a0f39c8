package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/servers"
)

// swept is the answer of a repair.
type swept struct {
	Sweep struct {
		Forgotten int
		Strays    []struct {
			Node       string
			Arc, Pages int
			Aside      bool
		}
		More    int `json:"more_strays"`
		Unswept map[string]string
	}
}

func (in *instance) repair() (s swept) {
	in.t.Helper()
	status, body := in.administer(http.MethodPost, "/ring/repair", "")
	if status != 200 || json.Unmarshal([]byte(body), &s) != nil {
		in.t.Fatalf("repair: %d %s", status, body)
	}
	return s
}

// V13: what moves have left behind is forgotten by a repair, and what may be
// counted nowhere else is told: a power cut takes a source back to when its
// arcs were still there, and somebody has planted keys.
func TestARepairSweepsWhatMovesLeftBehind(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2)
	in := r.start()
	third := servers.StartRedis(t)
	r.servers = append(r.servers, third)
	c := newRingCrowd(r, []*instance{in}, 600)
	in.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr))
	source := r.servers[0]
	kept, err := source.Kept()
	if err != nil {
		t.Fatal(err)
	}
	in.moved()
	if now, err := source.Kept(); err != nil || now == kept {
		t.Fatal(err, "everything was moved before the power cut could take it back")
	}
	if s := in.repair(); s.Sweep.Forgotten != 0 || len(s.Sweep.Strays) != 0 || len(s.Sweep.Unswept) != 0 {
		t.Errorf("a repair of what is whole: %+v", s)
	}
	if err := source.FallBack(kept); err != nil {
		t.Fatal(err)
	}
	planted := []string{"ff:x:1:1", "ff:in:2:1"}
	for _, key := range planted {
		r.do(0, "hset", key, "page", "1")
	}
	waitFor(t, "the source is back", time.Minute, func() bool { return in.ring().Nodes[0].Away == "" && in.ring().Nodes[1].Away == "" })
	s := in.repair()
	if s.Sweep.Forgotten < len(planted) || len(s.Sweep.Strays) == 0 || len(s.Sweep.Unswept) != 0 {
		t.Errorf("the repair says %+v", s)
	}
	for _, stray := range s.Sweep.Strays {
		if !strings.HasSuffix(stray.Node, fmt.Sprint(source.Port())) || stray.Pages == 0 {
			t.Errorf("told is %+v", stray)
		}
	}
	client := source.Client()
	defer func() { _ = client.Close() }()
	for _, pattern := range []string{"ff:x:*", "ff:in:*"} {
		if keys, err := client.Keys(t.Context(), pattern).Result(); err != nil || len(keys) > 0 {
			t.Errorf("still there: %v, %v", keys, err)
		}
	}
	c.check() // what is told is counted at its owner
	in.bringBack(third, s)
	c.check()
}

// bringBack gives the arcs of a node to the others, some of them to where the
// last sweep found something. That is set aside, and told as before.
func (in *instance) bringBack(node *servers.Redis, before swept) {
	in.t.Helper()
	in.change(http.MethodDelete, fmt.Sprintf("/ring/nodes/redis_%d", node.Port()), "")
	in.moved()
	told, aside := make(map[int]int), 0
	after := in.repair().Sweep
	for _, stray := range after.Strays {
		told[stray.Arc] = stray.Pages
		if stray.Aside {
			aside++
		}
	}
	if aside == 0 {
		in.t.Errorf("nothing is set aside of %d strays", len(before.Sweep.Strays))
	}
	if len(told) != len(before.Sweep.Strays) || after.More != before.Sweep.More {
		in.t.Errorf("told are %d arcs and %d more, want %d and %d", len(told), after.More, len(before.Sweep.Strays), before.Sweep.More)
	}
	for _, stray := range before.Sweep.Strays {
		if after.More == 0 && told[stray.Arc] != stray.Pages {
			in.t.Errorf("of %+v, %d pages are told", stray, told[stray.Arc])
		}
	}
}
