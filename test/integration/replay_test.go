package integration_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"footfall/test/servers"
)

// publish runs the subcommand, which is to end by itself.
func (p *publication) publish(args ...string) (code int, out string) {
	p.t.Helper()
	cmd := p.command(p.t.Context(), append([]string{"publish", "--replay"}, args...)...)
	b, _ := cmd.CombinedOutput()
	if strings.Contains(string(b), p.broker.Secret()) {
		p.t.Errorf("the password is in %s", b)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// A log whose broker was away is sent to it on request, with the same ids and
// bodies: all of it, whatever is damaged, and again when asked again.
func TestReplaySendsTheLogToTheBroker(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil, "")
	proxy := servers.StartProxy(t, p.broker.Addr)
	proxy.Refuse()
	e := newEndpoint(t)
	p.env = append(p.env, "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_PUBLISHER="+p.broker.URL(proxy.Addr, p.queue))
	in := p.start()
	accept(t, in, 1, e.URL)
	waitFor(t, "counts and a callback are in the log", 60*time.Second, func() bool {
		counts, callbacks := 0, 0
		for _, l := range p.lines() {
			if l.Event == "callback" {
				callbacks++
			} else {
				counts++
			}
		}
		return counts >= 3 && callbacks >= 1
	})
	in.kill()
	want := p.reports()

	if code, out := p.publish(p.captureLog()); code != 1 || !strings.Contains(out, "connection refused") || !strings.Contains(out, "0 windows were sent to rabbitmq") {
		t.Errorf("without a broker: exit code %d, %s", code, out)
	}
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	if code, out := p.publish(p.captureLog()); code != 0 || !strings.Contains(out, " windows were sent to rabbitmq") {
		t.Fatalf("exit code %d, %s", code, out)
	}
	p.sent(want, 1)

	whole, err := os.ReadFile(p.captureLog())
	if err != nil {
		t.Fatal(err)
	}
	torn := p.captureLog() + ".torn"
	if err := os.WriteFile(torn, append([]byte(`{"time":"2026-11-`+"\n"), whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := p.publish(torn); code != 1 || !strings.Contains(out, torn+": line 1: it is not a whole line") {
		t.Errorf("with a torn line: exit code %d, %s", code, out)
	}
	p.sent(want, 2)
	if code, out := p.publish(p.captureLog() + ".none"); code != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("without a file: exit code %d, %s", code, out)
	}
}

// sent checks that the queue has had each count so many times, and no other.
func (p *publication) sent(want map[string]line, times int) {
	p.t.Helper()
	got := p.queued()
	for id, w := range want {
		if g := got[id]; g.Count != w.Count || !g.WindowStart.Equal(w.WindowStart) || !g.WindowEnd.Equal(w.WindowEnd) {
			p.t.Errorf("the queue has %+v, the log %+v", g, w)
		}
	}
	if n := len(p.broker.Messages(p.t, p.queue)); n != times*len(want) || len(got) != len(want) {
		p.t.Errorf("%d messages for %d windows, want %d for %d", n, len(got), times*len(want), len(want))
	}
}
