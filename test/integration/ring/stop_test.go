package ring_test

import (
	"testing"
	"time"

	"footfall/test/integration/service"
)

// P10, V23: SIGTERM ends the program within its
// 10 s also while a node doesn't answer, and what was acknowledged is there
// afterwards. The exit code is 0 unless something had to be left in doubt.
func TestSIGTERMEndsInTimeWithoutANode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fault string
		waiting     bool // visits wait for the node
	}{{"killed", "killed", true}, {"frozen", "frozen", true}, {"killed and not asked for", "killed", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 2)
			in := r.Start()
			by := r.Pages(in, 5)
			callers := []*service.Traffic{service.NewTraffic(r, by[1], in).Start(4, 0)}
			if c.waiting {
				callers = append(callers, service.NewTraffic(r, by[0], in).Start(4, 0))
			}
			for _, tr := range callers {
				tr.GoesOn(20)
			}
			end := service.Stuck(0)[c.fault](r, 0)
			service.WaitFor(t, "the node doesn't answer", func() bool { return !r.Answers(0) })
			time.Sleep(300 * time.Millisecond)
			begun := time.Now()
			code := in.Stop()
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if code != 0 && !c.waiting {
				t.Errorf("exit code %d:\n%s", code, in.Logged())
			}
			end()
			in = r.Start()
			for _, tr := range callers {
				tr.Replace(0, in)
				tr.Check()
			}
		})
	}
}
