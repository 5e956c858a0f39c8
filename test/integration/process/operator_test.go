package process_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// codeWords are words of the code that an operator can't know, and two names of one node.
var codeWords = regexp.MustCompile(`not applied|unavailable: |can't be used: |ring summary|no ring yet|(redis_\d+).*(redis_\d+ on|node redis_\d+: \S+ \S+ on)`)

// N11: an error for an operator is one sentence: what failed, where, why, and what to do. It
// names a node once, and no word of the code.
func TestN11ErrorsOfOperatorsSayWhatFailedWhereWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	d := r.Deployment()
	d.Env = append(d.Env, "FOOTFALL_ADMIN_TOKEN=right-right-right-right")
	in := d.Start()
	nowhere, secret := servers.FreeAddr(t), servers.StartRedis(t, "--requirepass", "right")
	folder := t.TempDir()
	pages := filepath.Join(folder, "pages.ndjson")
	check.Must(t, os.WriteFile(pages, []byte(`{"page_id":"a","count":1}`+"\n"), 0o600))
	replay := filepath.Join(folder, "capture.log")
	check.Must(t, os.WriteFile(replay, []byte(`{"time":"2026-11-22T10:06:02.021Z","event":"unique_ids","id":"footfall_20261122T100500Z","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":1}`+"\n"), 0o600))

	// failure is a command that fails, and the text of its last line as a pattern.
	type failure struct{ command, want string }
	fails := func(c failure) {
		t.Helper()
		out, err := in.Tool(strings.Fields(c.command)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		last := lines[len(lines)-1]
		if err == nil || !regexp.MustCompile("^footfall: "+c.want+"$").MatchString(last) {
			t.Errorf("footfall %s: %v\n%s\nwant %q", c.command, err, out, c.want)
		}
		if found := codeWords.FindString(last); found != "" {
			t.Errorf("footfall %s says %q: %s", c.command, found, last)
		}
	}
	public := strings.TrimPrefix(in.Public, "http://")
	for _, c := range []failure{
		{"ring status --admin-listen=" + nowhere, `no service listens at \S+ \(FOOTFALL_ADMIN_LISTEN\): connect: connection refused; start it, or correct the setting`},
		{"export - --admin-listen=" + nowhere, `no service listens at \S+ \(FOOTFALL_ADMIN_LISTEN\): connect: connection refused; start it, or correct the setting`},
		{"import " + pages + " --admin-listen=" + nowhere, `no service listens at \S+ \(FOOTFALL_ADMIN_LISTEN\): connect: connection refused; start it, or correct the setting`},
		{"healthcheck --admin-listen=" + nowhere, `not ready: no service listens at \S+ \(FOOTFALL_ADMIN_LISTEN\): connect: connection refused; start it, or correct the setting`},
		{"ring status --admin-token=wrong-wrong-wrong-wrong", `401 Unauthorized: .* wants the token of its admin listener: set FOOTFALL_ADMIN_TOKEN, or FOOTFALL_ADMIN_TOKEN_FILE, as the service has it`},
		{"import " + pages + " --admin-token=wrong-wrong-wrong-wrong", `401 Unauthorized: .* set FOOTFALL_ADMIN_TOKEN, or FOOTFALL_ADMIN_TOKEN_FILE, as the service has it`},
		{"ring status --admin-listen=" + public, `404 Not Found: what listens at \S+ \(FOOTFALL_ADMIN_LISTEN\) is another listener: correct the setting`},
		{"ring status --admin-listen=" + secret.Addr, `no answer at \S+ \(FOOTFALL_ADMIN_LISTEN\): \S.*`},
		{"ring weight redis_1 2", `404 Not Found: There is no node "redis_1" in the ring; its nodes are redis_\d+, redis_\d+\.`},
		{"ring remove redis_1", `404 Not Found: There is no node "redis_1" in the ring; its nodes are redis_\d+, redis_\d+\.`},
		{"ring add redis://" + nowhere, `503 Service Unavailable: Nothing was changed: read the ring on redis_\d+: dial tcp \S+: connect: connection refused`},
		{"ring add redis://" + secret.Addr, `503 Service Unavailable: Nothing was changed: read the ring on redis_\d+: NOAUTH Authentication required; correct user and password in FOOTFALL_STORE, .*`},
		{"publish --replay " + replay + " --publisher=amqp://" + nowhere + "/?queue=q", `\S+: window \S+ and all after it were not sent: .*rabbitmq: not reached: dial tcp \S+: connect: connection refused`},
	} {
		fails(c)
	}

	r.Servers[1].Kill()
	service.WaitFor(t, "/readyz says why", func() bool { return strings.Contains(in.Get("/readyz").Body, "does not answer since") })
	for _, c := range []failure{
		{"ring add redis://" + servers.StartRedis(t).Addr, `503 Service Unavailable: Nothing was changed: \S.* on redis_\d+: .*connection refused`},
		{"ring weight redis_" + strings.TrimPrefix(r.Servers[0].Addr, "127.0.0.1:") + " 3", `503 Service Unavailable: Nothing was changed: \S.* on redis_\d+: .*connection refused`},
	} {
		fails(c)
	}
	away := "redis_" + strings.TrimPrefix(r.Servers[1].Addr, "127.0.0.1:")
	window := service.MustSend(t, http.MethodGet, in.Admin+"/windows/footfall_20261122T100500Z", "", "Authorization", "Bearer right-right-right-right")
	window.Want(t, http.StatusServiceUnavailable, "The window can't be read: ", " on "+away+": ", "connection refused")
	if want := regexp.MustCompile(`^\{"status":"ready","reasons":\["node ` + away + ` does not answer since [-0-9]{10}T[:0-9]{8}Z: connection refused"\]\}$`); !want.MatchString(in.Get("/readyz").Body) {
		t.Errorf("/readyz says %s", in.Get("/readyz").Body)
	}
}

// silent is the address of a listener that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l := check.Value(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// N11: a start that is refused says so in one sentence as well.
func TestN11AStartThatIsRefusedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	nowhere, secret := servers.FreeAddr(t), servers.StartRedis(t, "--requirepass", "right")
	for store, want := range map[string]string{
		"redis://" + nowhere:               `start: read the ring on redis_\d+: dial tcp \S+: connect: connection refused; start that server, or correct FOOTFALL_STORE`,
		"redis://" + secret.Addr:           `start: read the ring on redis_\d+: NOAUTH Authentication required; correct user and password in FOOTFALL_STORE, which are those of every server`,
		"redis://x:wr0ng@" + secret.Addr:   `start: read the ring on redis_\d+: WRONGPASS .*; correct user and password in FOOTFALL_STORE, which are those of every server`,
		"rediss://" + silent(t):            `start: read the ring on redis_\d+: no answer in time; start that server, or correct FOOTFALL_STORE`,
		"redi://" + nowhere:                `FOOTFALL_STORE="redi://\S+": unknown scheme "redi", want one of .*redis.*`,
		"embedded:///proc/version/no/room": `embedded: mkdir \S+: not a directory`,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t, "FOOTFALL_STORE="+store).Launch()
			service.Await(t, "the end", in.Done)
			lines := strings.Split(strings.TrimSpace(in.Logged()), "\n")
			last := lines[len(lines)-1]
			if in.Cmd.ProcessState.Success() || !regexp.MustCompile("^footfall: "+want+"$").MatchString(last) {
				t.Errorf("it ended with %v, and said:\n%s\nwant %q", in.Cmd.ProcessState, in.Logged(), want)
			}
			if found := codeWords.FindString(last); found != "" {
				t.Errorf("it says %q: %s", found, last)
			}
		})
	}
}
