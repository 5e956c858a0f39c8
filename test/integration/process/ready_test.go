package process_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// N12: the line that says that the program is ready names what it runs with.
func TestN12ReadyNamesWhatTheServiceRunsWith(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	r.Env = []string{"FOOTFALL_WINDOW=1h"}
	for _, c := range []struct {
		d    *service.Deployment
		want string
	}{
		{r.Deployment(), fmt.Sprintf("redis [redis_%d redis_%d] 1 log 1h0m0s", min(r.Servers[0].Port(), r.Servers[1].Port()), max(r.Servers[0].Port(), r.Servers[1].Port()))},
		{service.NewDeployment(t, "FOOTFALL_STORE=memory://", "FOOTFALL_PUBLISHER=amqp://127.0.0.1:1/?queue=q"), "memory [memory] 1 rabbitmq 1m0s"},
	} {
		in := c.d.Start()
		var line map[string]any
		for text := range strings.Lines(in.Logged()) {
			if strings.Contains(text, `"msg":"ready"`) {
				check.Must(t, json.Unmarshal([]byte(text), &line))
			}
		}
		got := fmt.Sprint(line["store"], " ", line["nodes"], " ", line["epoch"], " ", line["publisher"], " ", line["window"])
		check.Equal(t, got, c.want, "store, nodes, epoch, publisher and window")
		check.Equal(t, line["listen"], any(strings.TrimPrefix(in.Public, "http://")), "the public listener")
		check.Equal(t, line["admin_listen"], any(strings.TrimPrefix(in.Admin, "http://")), "the admin listener")
		version, err := c.d.Command(t.Context(), "version").Output()
		check.Must(t, err)
		if got := fmt.Sprint(line["version"], " (commit "); !strings.HasPrefix(string(version), got) {
			t.Errorf("version %q does not begin with %q", version, got)
		}
		check.Equal(t, strings.Contains(in.Metrics(), fmt.Sprintf(`footfall_build_info{goversion=%q,revision=`, runtime.Version())), true, "the build in the metrics")
	}
}

// N12: also a build without a version says from when it is: by its commit, or by its date.
func TestN12EveryBuildHasAVersion(t *testing.T) {
	t.Parallel()
	out, err := service.NewDeployment(t).Command(t.Context(), "version").Output()
	check.Must(t, err)
	if got, _, _ := strings.Cut(string(out), " ("); !regexp.MustCompile(`-20[0-9]{12}(-[0-9a-f]{12})?(\+dirty)?$`).MatchString(got) {
		t.Errorf("version %q has no date", got)
	}
}
