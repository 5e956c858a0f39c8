//go:build compose

package compose_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// promtool is that of the image which the stack runs.
func promtool(s *stack, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := s.command(ctx, append([]string{
		"compose", "--profile", "observability", "run", "--rm", "--no-deps", "--entrypoint", "promtool", "--workdir", "/etc/prometheus", "prometheus",
	}, args...)...).CombinedOutput()
	return string(out), err
}

func TestAlertsAreRight(t *testing.T) {
	s := newStack(t)
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
		{"check", "config", "--syntax-only", "prometheus.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		if out, err := promtool(s, args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

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
