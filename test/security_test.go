package test_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
)

// settingRow is a line of the table of settings: its name and its default.
var settingRow = regexp.MustCompile("(?m)^\\| `(FOOTFALL_[A-Z_]+)` \\| (?:`([^`]*)`)? ?\\|")

// isBound tells by its name whether a setting is a bound of what callers may take.
func isBound(setting string) bool {
	return slices.ContainsFunc([]string{"_LIMIT", "_SHARE", "_RATE", "_RESERVE"}, func(end string) bool { return strings.HasSuffix(setting, end) })
}

// boundFaults compares a page about bounds with the settings, which are in a page that is
// generated from the code: each setting exists, each bound is in the page with its default.
func boundFaults(page, settings string) (faults []string) {
	defaults := make(map[string]string)
	for _, m := range settingRow.FindAllStringSubmatch(settings, -1) {
		defaults[m[1]] = m[2]
	}
	for _, name := range namesIn(page, "`(FOOTFALL_[A-Z_]+)`") {
		if _, ok := defaults[name]; !ok {
			faults = append(faults, name+" is no setting")
		}
	}
	stated := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(FOOTFALL_[A-Z_]+)` \\(([^)]*)\\)").FindAllStringSubmatch(page, -1) {
		stated[m[1]] = true
		want := defaults[m[1]]
		if want == "" {
			want = "none"
		}
		if m[2] != want {
			faults = append(faults, m[1]+" is "+want+", not "+m[2])
		}
	}
	for name := range defaults {
		if isBound(name) && !stated[name] {
			faults = append(faults, name+" is a bound, and is not there with its default")
		}
	}
	slices.Sort(faults)
	return faults
}

func TestTheThreatModelHasEveryBoundOfTheSettings(t *testing.T) {
	t.Parallel()
	page := read(t, "SECURITY.md")
	for _, fault := range boundFaults(page, read(t, "docs/configuration.md")) {
		t.Errorf("SECURITY.md: %s", fault)
	}
	alerts, metrics := read(t, "deploy/prometheus/alerts.yml"), metricsOfTheCode(t)
	for _, name := range namesIn(page, `\b(Footfall[A-Z][A-Za-z]+)`) {
		if !strings.Contains(alerts, "- alert: "+name+"\n") {
			t.Errorf("SECURITY.md: there is no alert %s", name)
		}
	}
	for _, name := range namesIn(page, "`(footfall_[a-z_]+)`") {
		if !metrics[name] {
			t.Errorf("SECURITY.md: there is no metric %s", name)
		}
	}
	// docs/metrics.md lists the resources of the metric of refusals.
	_, list, _ := strings.Cut(read(t, "docs/metrics.md"), "- `resource` is")
	list, _, _ = strings.Cut(list, "- `bound` is")
	documented := namesIn(list, "`([a-z_]+)`")
	rows := namesIn(page, "refusals `([a-z_]+)`")
	slices.Sort(documented)
	slices.Sort(rows)
	check.Equal(t, strings.Join(rows, " "), strings.Join(documented, " "), "the resources of SECURITY.md and of docs/metrics.md")
}

func TestTheRuleOfBoundsKnowsGoodFromBad(t *testing.T) {
	t.Parallel()
	const settings = "| `FOOTFALL_KEY_LIMIT` | `10` | Keys. |\n| `FOOTFALL_RATE_LIMIT` | | Rate. |\n| `FOOTFALL_LISTEN` | `:8000` | Address. |\n"
	for page, want := range map[string]string{
		"`FOOTFALL_KEY_LIMIT` (10) and `FOOTFALL_RATE_LIMIT` (none) at `FOOTFALL_LISTEN`": "",
		"`FOOTFALL_KEY_LIMIT` (10)":                                               "FOOTFALL_RATE_LIMIT is a bound, and is not there with its default",
		"`FOOTFALL_KEY_LIMIT` (12), `FOOTFALL_RATE_LIMIT` (none)":                 "FOOTFALL_KEY_LIMIT is 10, not 12",
		"`FOOTFALL_KEY_LIMIT` (10), `FOOTFALL_RATE_LIMIT` (none), `FOOTFALL_OLD`": "FOOTFALL_OLD is no setting",
	} {
		check.Equal(t, strings.Join(boundFaults(page, settings), "; "), want, "%s", page)
	}
}
