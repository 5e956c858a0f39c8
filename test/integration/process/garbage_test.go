package process_test

import (
	"strings"
	"testing"

	"footfall/test/integration/service"
)

// On Redis, garbage gathers to three times the heap, unless GOGC says otherwise.
func TestGarbageGathersOnRedis(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	for gogc, want := range map[string]string{"": "200", "50": "50"} {
		r.Env = []string{"GOGC=" + gogc}
		in := r.Start()
		if metrics := in.Metrics(); !strings.Contains(metrics, "\ngo_gc_gogc_percent "+want+"\n") {
			t.Errorf("with GOGC=%s the percentage is not %s", gogc, want)
		}
	}
}
