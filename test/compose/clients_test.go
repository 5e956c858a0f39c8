//go:build compose

package compose_test

import (
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// Behind the balancer a client is who it says is there, and not the balancer,
// nor whom the client claims to be.
func TestTheRateLimitTellsClientsBehindTheBalancerApart(t *testing.T) {
	s := newStack(t)
	s.env = append(s.env, "FOOTFALL_RATE_LIMIT=30/h")
	s.up(t, "--build")
	base := s.url(t, "balancer", 1, 8000)
	claim := ""
	send := func() int {
		t.Helper()
		var headers []string
		if claim != "" {
			headers = []string{"X-Forwarded-For", claim}
		}
		return check.Value(service.Request(http.DefaultClient, http.MethodGet, base+"/visits/home", "", headers...))(t).Status
	}
	refused := 0 // in a row: by both instances
	waitFor(t, "this client is refused", func() bool {
		for range 10 {
			if refused++; send() != http.StatusTooManyRequests {
				refused = 0
			}
		}
		return refused >= 20
	})
	for claim = range strings.SplitSeq("203.0.113.7,10.1.2.3,127.0.0.1", ",") {
		if status := send(); status != http.StatusTooManyRequests {
			t.Errorf("%d for a client that claims to be %s", status, claim)
		}
	}
	// The balancer's own container has another address than this machine.
	answer := s.run(t, "exec", s.container(t, "balancer", 1), "bash", "-c",
		`exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /visits/home HTTP/1.0\r\n\r\n' >&3; head -n 1 <&3`)
	if !strings.Contains(answer, " 200 ") {
		t.Errorf("another client gets %q", answer)
	}
}
