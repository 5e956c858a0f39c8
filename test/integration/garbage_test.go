package integration_test

import (
	"net/http"
	"strings"
	"testing"
)

// On Redis, garbage gathers to three times the heap, unless GOGC says otherwise.
func TestGarbageGathersOnRedis(t *testing.T) {
	t.Parallel()
	r := newRing(t, 1)
	for gogc, want := range map[string]string{"": "200", "50": "50"} {
		r.env = []string{"GOGC=" + gogc}
		in := r.start()
		if _, metrics := in.administer(http.MethodGet, "/metrics", ""); !strings.Contains(metrics, "\ngo_gc_gogc_percent "+want+"\n") {
			t.Errorf("with GOGC=%s the percentage is not %s", gogc, want)
		}
	}
}
