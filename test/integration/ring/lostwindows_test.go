package ring_test

import (
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/integration/service"
)

// X7: for some windows an instance reaches one server only, which takes ids, is lost, and
// is abandoned. The others never heard of these windows: each is listed as lost.
func TestX7WindowsOfWhichOnlyAnAbandonedServerKnewAreLost(t *testing.T) {
	t.Parallel()
	const length = counting.WindowLength(time.Second)
	r := service.NewRing(t, 3)
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	in := r.Start()
	service.WaitFor(t, "a window is published", func() bool {
		return slices.ContainsFunc(r.Windows(in), func(w service.Listed) bool { return w.State == "done" })
	})
	st := in.Ring()
	ring := r.StoredRing(0)
	only := r.ServerAt(st.Nodes[0].Addr)
	for _, s := range r.Servers {
		if s != only {
			s.Freeze()
		}
	}
	with := make(map[string]bool) // windows with an acknowledged id
	for id, begun := 0, time.Now(); time.Since(begun) < 5*time.Second; id++ {
		if owner, _ := ring.IDOwner(counting.ID(id), 0); owner != 0 {
			continue
		}
		before := length.At(time.Now())
		if got := r.Accept(in, id, ""); got.Outcome == chaos.Acknowledged && length.At(time.Now()) == before {
			with[length.Name(before)] = true
		}
		time.Sleep(10 * time.Millisecond)
	}
	only.Kill()
	for _, s := range r.Servers {
		if s != only {
			s.Thaw()
		}
	}
	if len(with) < 2 {
		t.Fatalf("windows with ids are %v", with)
	}
	begun := time.Now()
	in.MustTool("ring", "remove", st.Nodes[0].ID, "--accept-loss")
	t.Log("abandoned after", time.Since(begun))
	service.WaitFor(t, "every window with ids is lost", func() bool {
		lost := 0
		for _, w := range r.Windows(in) {
			if with[w.ID] && w.State == "lost" {
				lost++
			}
		}
		return lost == len(with)
	})
}
