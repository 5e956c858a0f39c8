package integration_test

import (
	"testing"
	"time"
)

// P10, and V23 of the list of failures: SIGTERM ends the program within its
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
			r := newRing(t, 2)
			in := r.start()
			by := r.pages(in, 5)
			callers := []*traffic{newTraffic(r, in, by[1])}
			if c.waiting {
				callers = append(callers, newTraffic(r, in, by[0]))
			}
			time.Sleep(200 * time.Millisecond)
			end := stuck()[c.fault](r, 0)
			waitFor(t, "the node doesn't answer", time.Second, func() bool { return !r.answers(0) })
			time.Sleep(300 * time.Millisecond)
			begun := time.Now()
			code := in.stop()
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if code != 0 && !c.waiting {
				t.Errorf("exit code %d:\n%s", code, in.logged())
			}
			end()
			in = r.start()
			for _, tr := range callers {
				tr.stop()
				tr.resolve(t, r, in)
			}
		})
	}
}
