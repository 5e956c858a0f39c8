package test_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
)

// Alerts and dashboard ask for metrics that the code has. make test-compose
// has promtool check the alerts.
func TestAlertsAndDashboardAskForMetricsThatAreThere(t *testing.T) {
	t.Parallel()
	there := metricsOfTheCode(t)
	asked := regexp.MustCompile(`\bfootfall_[a-z_]+[a-z]\b`)
	for _, file := range []string{"deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/grafana/dashboards/footfall.json"} {
		names := asked.FindAllString(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s asks for no metric", file)
		}
		for _, name := range names {
			histogram := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !there[name] && !there[histogram] {
				t.Errorf("%s asks for %s, which the code doesn't have", file, name)
			}
		}
	}
}

// metricsOfTheCode are the names that its sources give to metrics.
func metricsOfTheCode(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	name := regexp.MustCompile(`"(footfall_[a-z_]+)"`)
	eachFile(t, func(file, text string) {
		if underAny([]string{"adapters/", "bootstrap/"}, file) && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			for _, found := range namesIn(text, name.String()) {
				names[found] = true
			}
		}
	})
	return names
}

func TestTheDashboardCanBeProvisioned(t *testing.T) {
	t.Parallel()
	type source struct{ Type, UID string }
	var dashboard struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Type, Title string
			Datasource  *source
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct {
				Expr, RefID string
				Datasource  source
			}
		}
	}
	check.Must(t, json.Unmarshal([]byte(read(t, "deploy/grafana/dashboards/footfall.json")), &dashboard))
	sources := read(t, "deploy/grafana/provisioning/datasources/prometheus.yml")
	if dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion == 0 || len(dashboard.Panels) < 10 {
		t.Errorf("the dashboard is %q %q, schema %d, with %d panels", dashboard.UID, dashboard.Title, dashboard.SchemaVersion, len(dashboard.Panels))
	}
	seen := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if seen[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H < 1 {
			t.Errorf("panel %d %q: its id is there twice, it has no title, or it lies outside", p.ID, p.Title)
		}
		seen[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Datasource == nil || len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if target.Expr == "" || target.RefID == "" || !strings.Contains(sources, "uid: "+target.Datasource.UID+",") {
				t.Errorf("panel %q asks %q of %q", p.Title, target.Expr, target.Datasource.UID)
			}
		}
	}
}
