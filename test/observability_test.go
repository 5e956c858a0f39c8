package test_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
)

// Alerts and dashboard ask for metrics that the code has.
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

// source is the data source of a panel, a query, or a variable.
type source struct{ Type, UID string }

// dashboard is what the tests read of a dashboard of Grafana.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type, Definition string
	AllValue               string
	IncludeAll             bool
	Datasource             source
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  *source
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		Expr, RefID string
		Datasource  source
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	check.Must(t, json.Unmarshal([]byte(read(t, "deploy/grafana/dashboards/footfall.json")), &d))
	return d
}

func TestTheDashboardCanBeProvisioned(t *testing.T) {
	t.Parallel()
	dashboard := readDashboard(t)
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
			if target.Expr == "" || target.RefID == "" {
				t.Errorf("panel %q asks %q", p.Title, target.Expr)
			}
		}
	}
}

// N6: what a deployment is for comes first.
func TestN6TheFirstPanelShowsTheVisitsCounted(t *testing.T) {
	t.Parallel()
	first := readDashboard(t).Panels[0]
	check.Equal(t, first.Title, "Visits counted", "the first panel")
	check.Equal(t, first.GridPos, struct{ H, W, X, Y int }{4, 4, 0, 0}, "its place")
	check.Equal(t, strings.HasPrefix(first.Targets[0].Expr, "sum(rate(footfall_visits_total{"), true, "it shows visits: %s", first.Targets[0].Expr)
}

// F30: in another Grafana the data source has another uid, and in another Prometheus the
// job has another name. deploy/prometheus/alerts_test.yml fires the alerts under other names.
func TestF30DashboardAndAlertsDependOnNoNameOfAJobOrDataSource(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if len(d.Templating.List) != 4 {
		t.Fatalf("variables: %v", d.Templating.List)
	}
	query := func(name, definition string) variable {
		return variable{Name: name, Type: "query", Definition: definition, IncludeAll: true, AllValue: ".*", Datasource: source{"prometheus", "${datasource}"}}
	}
	for i, want := range []variable{
		{Name: "datasource", Type: "datasource"},
		query("namespace", `label_values(footfall_event_streams, namespace)`),
		query("job", `label_values(footfall_event_streams{namespace=~"$namespace"}, job)`),
		query("instance", `label_values(footfall_event_streams{namespace=~"$namespace", job=~"$job"}, instance)`),
	} {
		check.Equal(t, d.Templating.List[i], want, "variable %d", i+1)
	}
	// These are of all jobs: the balancer's and the broker's have other names.
	others := regexp.MustCompile(`^(sum\()?(haproxy|rabbitmq)_[a-z_]+\{namespace=~"\$namespace"`)
	selector := regexp.MustCompile(`\b(footfall_[a-z_]+|process_[a-z_]+|up)(\{namespace=~"\$namespace", job=~"\$job", instance=~"\$instance"[,}])?`)
	for _, p := range d.Panels {
		if p.Type != "row" {
			check.Equal(t, *p.Datasource, source{"prometheus", "${datasource}"}, "the data source of panel %q", p.Title)
		}
		for _, target := range p.Targets {
			check.Equal(t, target.Datasource, source{"prometheus", "${datasource}"}, "the data source of a query of panel %q", p.Title)
			found := selector.FindAllStringSubmatch(target.Expr, -1)
			if len(found) == 0 && !others.MatchString(target.Expr) {
				t.Errorf("panel %q: %s selects no job", p.Title, target.Expr)
			}
			for _, metric := range found {
				if metric[2] == "" {
					t.Errorf("panel %q: %s asks for %s of all jobs", p.Title, target.Expr, metric[1])
				}
			}
		}
	}
	alerts := regexp.MustCompile(`(?m)^ *#.*$`).ReplaceAllString(read(t, "deploy/prometheus/alerts.yml"), "")
	if named := regexp.MustCompile(`job *(=|!=|=~|!~) *".*`).FindString(alerts); named != "" {
		t.Errorf("an alert depends on the name of a job: %s", named)
	}
	// What is added up over several deployments is true of none.
	for _, one := range regexp.MustCompile(`\b(sum|min|max|count)( by \([a-z, ]*\))? ?\(.*footfall_.*`).FindAllStringSubmatch(alerts, -1) {
		if !strings.HasPrefix(one[2], " by (namespace, job") {
			t.Errorf("an alert joins the deployments: %s", one[0])
		}
	}
}
