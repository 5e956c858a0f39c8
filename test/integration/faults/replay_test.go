package faults_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// publish runs the subcommand, which is to end by itself.
func (p *publication) publish(args ...string) (code int, out string) {
	p.T.Helper()
	return p.publishFrom(nil, args...)
}

// publishFrom is publish with a stdin.
func (p *publication) publishFrom(stdin io.Reader, args ...string) (code int, out string) {
	p.T.Helper()
	cmd := p.Command(p.T.Context(), append([]string{"publish", "--replay"}, args...)...)
	cmd.Stdin = stdin
	b, _ := cmd.CombinedOutput()
	if strings.Contains(string(b), p.broker.Secret()) {
		p.T.Errorf("the password is in %s", b)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// A log whose broker was away is sent to it on request, with the same ids and
// bodies: all of it, whatever is damaged, and again when asked again.
func TestReplaySendsTheLogToTheBroker(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	proxy := p.through()
	proxy.Refuse()
	e := service.NewEndpoint(t)
	p.Env = append(p.Env, "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_CALLBACK_RATE=1000000/s")
	in := p.Start()
	service.Accept(t, in, 1, e.URL)
	service.WaitFor(t, "counts and a callback are in the log", func() bool {
		counts, callbacks := 0, 0
		for _, l := range p.Lines() {
			if l.Event == "callback" {
				callbacks++
			} else {
				counts++
			}
		}
		return counts >= 3 && callbacks >= 1
	})
	in.Kill()
	want := p.Reports()

	if code, out := p.publish(p.CaptureLog()); code != 1 || !strings.Contains(out, "connection refused") || !strings.Contains(out, "0 windows were sent to rabbitmq") {
		t.Errorf("without a broker: exit code %d, %s", code, out)
	}
	check.Must(t, proxy.Accept())
	if code, out := p.publish(p.CaptureLog()); code != 0 || !strings.Contains(out, " windows were sent to rabbitmq") {
		t.Fatalf("exit code %d, %s", code, out)
	}
	p.sent(want, 1)

	whole := check.Value(os.ReadFile(p.CaptureLog()))(t)
	torn := p.CaptureLog() + ".torn"
	check.Must(t, os.WriteFile(torn, append([]byte(`{"time":"2026-11-`+"\n"), whole...), 0o600))
	if code, out := p.publish(torn); code != 1 || !strings.Contains(out, torn+": line 1: it is not a whole line") {
		t.Errorf("with a torn line: exit code %d, %s", code, out)
	}
	p.sent(want, 2)
	if code, out := p.publish(p.CaptureLog() + ".none"); code != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("without a file: exit code %d, %s", code, out)
	}
}

// sent checks that the queue has had each count so many times, and no other.
func (p *publication) sent(want map[string]service.Line, times int) {
	p.T.Helper()
	got := p.queued()
	for id, w := range want {
		if g := got[id]; g.Count != w.Count || !g.WindowStart.Equal(w.WindowStart) || !g.WindowEnd.Equal(w.WindowEnd) {
			p.T.Errorf("the queue has %+v, the log %+v", g, w)
		}
	}
	if n := len(p.broker.Messages(p.T, p.queue)); n != times*len(want) || len(got) != len(want) {
		p.T.Errorf("%d messages for %d windows, want %d for %d", n, len(got), times*len(want), len(want))
	}
}

// F16: a replay of several logs sends all of them, and - is stdin.
func TestF16AReplayOfSeveralLogsSendsAll(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	want := make(map[string]service.Line)
	var logs []string
	for i := range 3 {
		id, start, end := fmt.Sprintf("footfall_20261122T10050%dZ_2s", 2*i), fmt.Sprintf("2026-11-22T10:05:0%dZ", 2*i), fmt.Sprintf("2026-11-22T10:05:0%dZ", 2*i+2)
		logs = append(logs, fmt.Sprintf("{\"event\":\"unique_ids\",\"id\":%q,\"window_start\":%q,\"window_end\":%q,\"count\":%d}\n", id, start, end, i+1))
		want[id] = service.Line{ID: id, Count: int64(i + 1), WindowStart: check.Value(time.Parse(time.RFC3339, start))(t), WindowEnd: check.Value(time.Parse(time.RFC3339, end))(t)}
	}
	first, second := filepath.Join(p.Dir, "a.log"), filepath.Join(p.Dir, "b.log")
	check.Must(t, os.WriteFile(first, []byte(logs[0]), 0o600))
	check.Must(t, os.WriteFile(second, []byte(logs[1]), 0o600))
	code, out := p.publishFrom(strings.NewReader(logs[2]), first, "--replay", second, "--replay=-")
	if code != 0 || !strings.Contains(out, "3 windows were sent to rabbitmq") {
		t.Errorf("exit code %d, %s", code, out)
	}
	p.sent(want, 1)
}
