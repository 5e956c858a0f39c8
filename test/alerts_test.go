package test_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
)

// N6: each alert fires when it should, and not before. deploy/prometheus/alerts_test.yml has
// the cases: a node that is away for 20 minutes, health checks beside refusals, bulks that
// fail in part, and several deployments in one Prometheus.
func TestN6EachAlertFiresWhenItShould(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("make check installs nothing")
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
		{"check", "config", "--syntax-only", "prometheus.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = filepath.Join(root, "deploy/prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v (scripts/install-test-servers installs it)\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestEachAlertHasACaseThatFiresAndOneThatDoesNot(t *testing.T) {
	t.Parallel()
	alerts := namesIn(read(t, "deploy/prometheus/alerts.yml"), `(?m)^ *- alert: (\w+)$`)
	cases := read(t, "deploy/prometheus/alerts_test.yml")
	if len(alerts) == 0 {
		t.Error("there is no alert")
	}
	for _, name := range alerts {
		check.Equal(t, regexp.MustCompile(`labels: '[A-Z]*\{alertname="`+name+`"`).MatchString(cases), true, "there is a case in which %s fires", name)
		check.Equal(t, regexp.MustCompile(`eval_time: \w+, alertname: `+name+`\}`).MatchString(cases), true, "there is a case in which %s does not fire", name)
	}
}
