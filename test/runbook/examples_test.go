package runbook_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// The programs of examples print what is known of a page, in the days of a zone.
func TestTheExamplesPrintTheHistoryOfAPage(t *testing.T) {
	t.Parallel()
	programs := []string{"go run ./examples/history-go", "examples/history.sh"}
	in := service.NewDeployment(t).Start()
	now := time.Now().UTC()
	midnight := now.Truncate(24 * time.Hour)
	// In Berlin 23:00 of a day in UTC is the day after.
	late := midnight.AddDate(0, 0, -3).Add(-time.Hour)
	page := "blog/hello ä?"
	body := fmt.Sprintf(`[{"page_id":%q,"count":40,"history":{"since":%d,"1h":[[%d,5],[%d,7]]}}]`, page, midnight.AddDate(0, 0, -9).Unix(), late.Unix(), late.Add(2*time.Hour).Unix())
	service.WaitFor(t, "a page with a history is set", func() bool {
		return in.Administer(http.MethodPost, "/pages", body).Status == http.StatusOK
	})
	for zone, days := range map[string]map[string]int{
		"":              {late.Format(time.DateOnly): 5, midnight.AddDate(0, 0, -3).Format(time.DateOnly): 7},
		"Europe/Berlin": {midnight.AddDate(0, 0, -3).Format(time.DateOnly): 12},
	} {
		for _, example := range programs {
			got, err := runExample(t, example, in.Public, page, zone)
			check.Must(t, err, "%s: %s", example, got)
			lines := strings.Split(strings.TrimSpace(got), "\n")
			check.Equal(t, len(lines), 27, "lines of %s", example)
			for _, line := range lines[:24] {
				day, visits, _ := strings.Cut(line, "\t")
				check.Equal(t, visits, fmt.Sprint(days[day]), "visits by %s of %s in %q", example, day, zone)
			}
			check.Equal(t, strings.Join(lines[24:], " "), "sum\t12 before\t28 total\t40", "what %s says in the end", example)
		}
	}
	for _, example := range programs {
		got, err := runExample(t, example, in.Public+"/", page)
		check.Must(t, err, "%s of an address with a slash at its end: %s", example, got)
		out, err := runExample(t, example, in.Public, page, "Nowhere/At_all")
		check.Fails(t, err, "%s of a zone that does not exist", example)
		if !strings.Contains(out, `"code":"bad_tz"`) {
			t.Errorf("%s says %s", example, out)
		}
	}
}

// runExample runs an example in the folder of the module, and returns what it prints. Arguments that are empty are left out.
func runExample(t *testing.T, example string, args ...string) (string, error) {
	t.Helper()
	line := slices.DeleteFunc(append(strings.Fields(example), args...), func(arg string) bool { return arg == "" })
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	return string(out), err
}
