package process_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// metric is one line of a table of metrics.
type metric struct{ kind, labels, help string }

// exposed reads what GET /metrics answers: the metrics of Footfall by their
// names. The label le belongs to every histogram.
func exposed(body string) map[string]metric {
	found := make(map[string]metric)
	labels := make(map[string]map[string]bool)
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if name, help, ok := strings.Cut(strings.TrimPrefix(line, "# HELP "), " "); ok && strings.HasPrefix(line, "# HELP footfall_") {
			found[name] = metric{help: help}
			labels[name] = make(map[string]bool)
			continue
		}
		if name, kind, ok := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); ok && strings.HasPrefix(line, "# TYPE footfall_") {
			m := found[name]
			m.kind = kind
			found[name] = m
			continue
		}
		sample := regexp.MustCompile(`^(footfall_[a-z_]+?)(_bucket|_sum|_count)?\{(.*)\} `).FindStringSubmatch(line)
		if sample == nil {
			continue
		}
		of := labels[sample[1]]
		if of == nil { // it ends like a part of a histogram, and is none
			of = labels[sample[1]+sample[2]]
		}
		for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(sample[3], -1) {
			if label[1] != "le" {
				of[label[1]] = true
			}
		}
	}
	for name, m := range found {
		m.labels = strings.Join(slices.Sorted(maps.Keys(labels[name])), ", ")
		found[name] = m
	}
	return found
}

// The page of metrics has what a program that does all that it can shows, and
// nothing else: names, kinds, labels and help texts.
func TestEveryMetricIsInItsPage(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	d := r.Deployment()
	d.Env = append(d.Env, "FOOTFALL_PUBLISHER=amqp://127.0.0.1:1?queue=counts") // it is away
	in := d.Start()
	for i := range 64 { // each node has some
		service.WaitFor(t, "a visit", func() bool { return r.Visit(in, fmt.Sprint("page", i)).Status == 200 })
	}
	shown := exposed(service.NewDeployment(t).Start().Metrics()) // some are of the embedded store alone
	maps.Copy(shown, exposed(in.Metrics()))
	text := check.Value(os.ReadFile("../../../docs/metrics.md"))(t)
	documented := make(map[string]metric)
	for _, row := range regexp.MustCompile("(?m)^\\| `(footfall_[a-z_]+)` \\| ([a-z]+) \\| ([a-z_, `]*) ?\\| (.+) \\|$").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = metric{row[2], strings.ReplaceAll(strings.TrimSpace(row[3]), "`", ""), row[4]}
	}
	if diff := cmp.Diff(shown, documented, cmp.AllowUnexported(metric{})); diff != "" {
		t.Errorf("the program and docs/metrics.md differ (-program +page):\n%s", diff)
	}
	// One that the table has in another form would not be compared.
	for _, name := range regexp.MustCompile(`footfall_[a-z_]+`).FindAllString(string(text), -1) {
		if _, ok := documented[name]; !ok {
			t.Errorf("docs/metrics.md names %s outside its table", name)
		}
	}
}

// sample is the value of one line of GET /metrics, as it stands there.
func sample(t *testing.T, in *service.Instance, series string) string {
	t.Helper()
	body := in.Metrics()
	_, rest, ok := strings.Cut(body, "\n"+series+" ")
	if !ok {
		return "none"
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestMetricsShowNodesWindowsAndMoves(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	d := r.Deployment()
	d.Env = append(d.Env, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=0s")
	in := d.Start()
	shows := func(series string, ok func(value string) bool) {
		t.Helper()
		service.WaitFor(t, series+" is right", func() bool { return ok(sample(t, in, series)) })
	}
	is := func(want string) func(string) bool { return func(got string) bool { return got == want } }
	above0 := func(got string) bool { return got != "0" && got != "none" }

	shows(`footfall_windows{state="done"}`, above0)
	shows(`footfall_windows{state="open"}`, above0)
	shows(`footfall_window_oldest_age_seconds{state="done"}`, above0)
	shows(`footfall_windows{state="lost"}`, is("0"))

	for i := range 64 {
		service.WaitFor(t, "a visit", func() bool { return r.Visit(in, fmt.Sprint("page", i)).Status == 200 })
	}
	shows("footfall_ring_epoch", is("1"))
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	in.Add(third)
	shows("footfall_ring_epoch", is("2"))
	shows("footfall_ring_arcs_moved_total", above0)
	shows("footfall_ring_pages_moved_total", above0)
	shows("footfall_ring_arcs_left", is("0"))

	node := func(s *servers.Redis) string { return fmt.Sprint("redis_", s.Port()) }
	up := func(s *servers.Redis) string { return `footfall_node_up{node="` + node(s) + `"}` }
	shows(up(third), is("1"))
	shows(`footfall_node_share_ratio{node="`+node(third)+`"}`, func(v string) bool { return strings.HasPrefix(v, "0.333") })
	keys := `footfall_node_idempotency_keys{node="` + node(third) + `"}`
	shows(keys, is("0"))
	for i := range 64 {
		service.AskOnce(in, fmt.Sprint("/visit/page", i), fmt.Sprint("key", i), "").Want(t, 200)
	}
	shows(keys, above0)
	third.Kill()
	shows(keys, is("none"))
	shows(up(third), is("0"))
	shows(up(r.Servers[0]), is("1"))
}

// N6: a window that can't be closed because a node is away goes on waiting in the metrics,
// so that the alert about it does not end. Other metrics of the node that is away do.
func TestN6WindowsWaitInTheMetricsWhileANodeIsAway(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	r.Env = []string{"FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=0s"}
	in := r.Start()
	const open, done = `footfall_window_oldest_age_seconds{state="open"}`, `footfall_windows{state="done"}`
	service.WaitFor(t, "windows are done", func() bool { return sample(t, in, done) != "0" && sample(t, in, done) != "none" })
	r.Servers[1].Kill()
	away := fmt.Sprintf(`footfall_node_up{node="redis_%d"}`, r.Servers[1].Port())
	service.WaitFor(t, "the node is away", func() bool { return sample(t, in, away) == "0" })
	if first := sample(t, in, open); first == "none" {
		t.Fatalf("%s is not there any more", open)
	}
	service.WaitFor(t, "the open window waits", func() bool {
		seconds, err := strconv.ParseFloat(sample(t, in, open), 64)
		return err == nil && seconds > 8
	})
	if got := sample(t, in, done); got == "0" || got == "none" {
		t.Errorf("%s is %s", done, got)
	}
}
