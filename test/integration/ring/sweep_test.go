package ring_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V13: what moves have left behind is forgotten by a repair, and what may be
// counted nowhere else is told: a power cut takes a source back to when its
// arcs were still there, and somebody has planted keys.
func TestARepairSweepsWhatMovesLeftBehind(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	third := servers.StartRedis(t)
	r.Servers = append(r.Servers, third)
	c := service.NewRingCrowd(r, []*service.Instance{in}, 600)
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, third.Addr))
	source := r.Servers[0]
	kept, err := source.Kept()
	if err != nil {
		t.Fatal(err)
	}
	in.Moved()
	if now, err := source.Kept(); err != nil || now == kept {
		t.Fatal(err, "everything was moved before the power cut could take it back")
	}
	if s := in.Repair(); s.Sweep.Forgotten != 0 || len(s.Sweep.Strays) != 0 || len(s.Sweep.Unswept) != 0 {
		t.Errorf("a repair of what is whole: %+v", s)
	}
	if err := source.FallBack(kept); err != nil {
		t.Fatal(err)
	}
	planted := []string{"ff:x:1:1", "ff:in:2:1"}
	for _, key := range planted {
		r.Do(0, "hset", key, "page", "1")
	}
	service.WaitFor(t, "the source is back", time.Minute, func() bool { return in.Ring().Nodes[0].Away == "" && in.Ring().Nodes[1].Away == "" })
	s := in.Repair()
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
	c.Check() // what is told is counted at its owner
	in.BringBack(third, s)
	c.Check()
}
