package httpapi_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/admin"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/public"
	"footfall/test/check"
)

// docs/api.md names every route of both listeners, and none that does not exist.
func TestTheAPIPageHasTheRoutesAndNoOthers(t *testing.T) {
	const prefix = "/api/v1/counter"
	text := check.Value(os.ReadFile("../../docs/api.md"))(t)
	prose := regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(string(text), "")
	var documented []string
	for _, m := range regexp.MustCompile("`((?:GET|POST|PUT|PATCH|DELETE) /[^ `?]*)[^`]*`").FindAllStringSubmatch(prose, -1) {
		documented = append(documented, m[1])
	}
	shared := check.Value(counter.New(counter.Options{Metrics: prometheus.NewRegistry()}))(t)
	handler := check.Value(public.New(public.Options{Counter: shared, Registry: prometheus.NewRegistry()}))(t)
	var served, prefixed []string
	for _, route := range slices.Concat(handler.Routes(), admin.New(admin.Options{Metrics: prometheus.NewRegistry()}).Routes()) {
		if strings.Contains(route, prefix) {
			prefixed = append(prefixed, strings.Replace(route, prefix, "", 1))
		} else {
			served = append(served, route)
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(slices.Compact(served), slices.Compact(documented)); diff != "" {
		t.Errorf("the routes and docs/api.md differ (-routes +page):\n%s", diff)
	}
	// One sentence says that the counter's routes are also below the prefix.
	counters := slices.DeleteFunc(documented, func(route string) bool {
		return !regexp.MustCompile(`^[A-Z]+ /(visits?|pages/top|pages/total)\b`).MatchString(route)
	})
	counters = slices.Compact(counters)
	slices.Sort(prefixed)
	if diff := cmp.Diff(prefixed, counters); diff != "" || !strings.Contains(prose, "answer below `"+prefix+"` as well") {
		t.Errorf("routes below %s and those of docs/api.md differ (-routes +page):\n%s", prefix, diff)
	}
}
