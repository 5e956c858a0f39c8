package ring_test

import (
	"fmt"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// V13: a repair forgets what moves have left over, and reports what may be counted
// nowhere else. A power cut takes a source back to when its arcs were still there,
// and another program has planted keys.
func TestARepairSweepsWhatMovesLeftBehind(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	third := r.AddServer()
	c := service.NewTrafficOf(r, 600, in)
	in.Add(third)
	source := r.Servers[0]
	kept := check.Value(source.Kept())(t)
	in.Moved()
	if now, err := source.Kept(); err != nil || now == kept {
		t.Fatal(err, "everything was moved before the power cut could take it back")
	}
	if s := in.Repair(); s.Sweep.Forgotten != 0 || len(s.Sweep.Orphans) != 0 || len(s.Sweep.Unswept) != 0 {
		t.Errorf("a repair of what is whole: %+v", s)
	}
	check.Must(t, source.FallBack(kept))
	planted := []string{"ff:x:1:1", "ff:in:2:1"}
	for _, key := range planted {
		r.Do(0, "hset", key, "page", "1")
	}
	service.WaitFor(t, "the source is back", func() bool { return in.Ring().Nodes[0].Away == "" && in.Ring().Nodes[1].Away == "" })
	s := in.Repair()
	if s.Sweep.Forgotten < len(planted) || len(s.Sweep.Orphans) == 0 || len(s.Sweep.Unswept) != 0 {
		t.Errorf("the repair says %+v", s)
	}
	for _, orphan := range s.Sweep.Orphans {
		if !strings.HasSuffix(orphan.Node, fmt.Sprint(source.Port())) || orphan.Pages == 0 {
			t.Errorf("reported is %+v", orphan)
		}
	}
	client := source.Client()
	defer func() { _ = client.Close() }()
	for _, pattern := range []string{"ff:x:*", "ff:in:*"} {
		if keys, err := client.Keys(t.Context(), pattern).Result(); err != nil || len(keys) > 0 {
			t.Errorf("still there: %v, %v", keys, err)
		}
	}
	c.Check() // what is reported is counted at its owner
	in.BringBack(third, s)
	c.Check()
}
