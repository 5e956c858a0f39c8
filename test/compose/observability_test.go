//go:build compose

package compose_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// prometheusSees waits until Prometheus has scraped both instances, the
// balancer and RabbitMQ, with the token that they ask for.
func prometheusSees(t *testing.T, s *stack) {
	s.run(t, "compose", "--profile", "observability", "up", "--detach", "--no-deps", "prometheus")
	base := s.url(t, "prometheus", 1, 9090)
	var last string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(last)
		}
	})
	waitFor(t, "Prometheus scrapes all of them", func() bool {
		_, last = get(t, base+"/api/v1/query?query=sum%20by%20(job)%20(up)")
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		if json.Unmarshal([]byte(last), &answer) != nil {
			return false
		}
		up := make(map[string]any)
		for _, r := range answer.Data.Result {
			up[r.Metric["job"]] = r.Value[1]
		}
		return up["footfall"] == "2" && up["balancer"] == "1" && up["rabbitmq"] == "1"
	})
	if _, alerts := get(t, base+"/api/v1/rules"); !strings.Contains(alerts, "FootfallNodeFails") {
		t.Errorf("Prometheus has no alerts: %s", alerts)
	}
}
