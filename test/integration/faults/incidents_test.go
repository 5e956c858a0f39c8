package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// moment is a time as /readyz has it.
const moment = `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`

// N4: log and /readyz tell a node that is gone from one that hangs, without its address.
func TestN4LogAndReadyzTellANodeThatIsGoneFromOneThatHangs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, ready, logged string
		fail                func(*servers.Redis)
		heal                func(*servers.Redis) error
	}{
		{"killed", "connection refused", "connection refused", (*servers.Redis).Kill, (*servers.Redis).Start},
		{"hanging", "connected, but no answer in time", "no answer in time", (*servers.Redis).Freeze, func(s *servers.Redis) error { s.Thaw(); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 2)
			in := r.Start()
			away := fmt.Sprint("redis_", r.Servers[0].Port())
			c.fail(r.Servers[0])
			// A busy machine may make a connection late, or find none that is free.
			service.WaitFor(t, "/readyz says why", func() bool {
				return regexp.MustCompile(`^\{"status":"ready","reasons":\["node ` + away + ` does not answer since ` + moment + `: ` + c.ready + `"\]\}$`).MatchString(in.Get("/readyz").Body)
			})
			service.WaitFor(t, "the log says why", func() bool { return len(loggedBy(in, "node does not answer", c.logged)) == 1 })
			check.OK(t, c.heal(r.Servers[0]))
			service.WaitFor(t, "/readyz has no reason", func() bool { return in.Get("/readyz").Body == `{"status":"ready"}` })
			service.WaitFor(t, "the log says that it works again", func() bool { return len(loggedBy(in, "node works again", "")) == 1 })
		})
	}
}

// N4: a broker that is away is a reason of /readyz with the time, and the service is ready.
// The admin listener also says where it is and why, as the log does.
func TestN4ABrokerThatIsAwayIsAReasonOfReadyz(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	proxy := p.through()
	in, f := p.feeds()
	p.sinkGrows(1)
	const since = `rabbitmq is away since ` + moment + `; counts go to the capture log`
	public := regexp.MustCompile(`^\{"status":"ready","reasons":\["` + since + `"\]\}$`)
	admin := regexp.MustCompile(`^\{"status":"ready","reasons":\["` + strings.NewReplacer(
		"rabbitmq is", "rabbitmq at "+regexp.QuoteMeta(proxy.Addr)+" is", "Z;", "Z: .*connection refused;",
	).Replace(since) + `"\]\}$`)
	ask := func(listener string) string {
		got := service.MustSend(t, http.MethodGet, listener+"/readyz", "")
		got.Want(t, http.StatusOK)
		return strings.TrimSpace(got.Body)
	}

	proxy.Refuse()
	service.WaitFor(t, "/readyz says since when", func() bool { return public.MatchString(ask(in.Public)) })
	service.WaitFor(t, "/readyz of the admin listener says why", func() bool { return admin.MatchString(ask(in.Admin)) })
	p.logGrows(1)
	check.Equal(t, strings.Contains(ask(in.Admin)+ask(in.Public), p.broker.Secret()), false, "the password is in /readyz")
	if len(loggedBy(in, "rabbitmq is away", "")) == 0 {
		t.Errorf("the log does not say so:\n%s", in.Logged())
	}

	check.Must(t, proxy.Accept())
	service.WaitFor(t, "/readyz has no reason", func() bool { return ask(in.Public)+ask(in.Admin) == `{"status":"ready"}{"status":"ready"}` })
	p.sinkGrows(1)
	p.resolve(f)
}

// N4: neither the broker nor the log takes a count for more than two windows. One line says
// since when windows wait, and why.
func TestN4TheLogSaysSinceWhenWindowsWait(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	proxy := p.through()
	in, f := p.feeds()
	p.sinkGrows(1)
	check.Must(t, os.RemoveAll(p.CaptureLog()))
	check.Must(t, os.Mkdir(p.CaptureLog(), 0o750)) // a folder can't be opened for writing
	proxy.Refuse()
	said := func(part string) int {
		return len(loggedBy(in, "windows wait: they can't be closed or published", part))
	}
	service.WaitFor(t, "the log says since when windows wait", func() bool { return said("") > 0 })
	check.Equal(t, said("publish to rabbitmq: "), 1, "lines that name the broker")
	check.Equal(t, said("publish to log: "), 1, "lines that name the log")
	check.Equal(t, said("not reached: dial tcp"), 1, "lines that say that nothing was refused")
	const wait = `"windows wait since ` + moment + `: `
	if got := in.Get("/readyz"); got.Status != http.StatusOK || !regexp.MustCompile(wait+`they can't be closed or published"`).MatchString(got.Body) {
		t.Errorf("/readyz does not say that windows wait: %d %s", got.Status, got.Body)
	}
	if body := service.MustSend(t, http.MethodGet, in.Admin+"/readyz", "").Body; !regexp.MustCompile(wait + `close window .* not reached: dial tcp .*; publish to log: `).MatchString(body) {
		t.Errorf("/readyz of the admin listener does not say why windows wait: %s", body)
	}
	check.Must(t, os.Remove(p.CaptureLog()))
	check.Must(t, proxy.Accept())
	service.WaitFor(t, "none waits", func() bool { return !strings.Contains(in.Get("/api/verve/windows").Body, `"state":"sealed"`) })
	service.WaitFor(t, "/readyz has no reason", func() bool { return in.Get("/readyz").Body == `{"status":"ready"}` })
	check.Equal(t, said(""), 1, "lines about windows that wait")
	p.resolve(f)
}
