package faults_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

const subject = "counts.minutes"

// newSubject is a publication to a subject of a NATS server, seen at addr. Its stream drops
// repetitions for longer than a test lasts.
func newSubject(t *testing.T, s *servers.NATS, addr string) *publication {
	t.Helper()
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms", "FOOTFALL_PUBLISHER="+s.URL(addr, subject))
	p := &publication{Deployment: d}
	p.taken = func() map[string]service.Line {
		all := make(map[string]service.Line)
		for _, m := range s.Messages(t, subject) {
			var l service.Line
			check.Must(t, json.Unmarshal(m.Data, &l))
			if _, ok := all[l.ID]; ok || m.Header.Get("Nats-Msg-Id") != l.ID {
				t.Errorf("window %s is in the stream again, or as %v", l.ID, m.Header)
			}
			all[l.ID] = l
		}
		return all
	}
	return p
}

// forgetsNothing is a stream that drops repetitions for longer than a test lasts.
func forgetsNothing() jetstream.StreamConfig { return jetstream.StreamConfig{Duplicates: time.Hour} }

// U3, U4, U6: the server is not there at the start, comes without a stream, has one, is full,
// is killed and away for two windows and more, comes back, freezes, and goes on. While it
// takes nothing the counts are in the log. Then they go to the stream, and a replay adds those
// of the log once. Only the server is started again.
func TestANATSServerThatComesAndGoesLosesNoCount(t *testing.T) {
	t.Parallel()
	s := servers.OpenNATS(t)
	p := newSubject(t, s, s.Addr)
	in, f := p.feeds()
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "nats is away")

	check.Must(t, s.Start())
	service.WaitFor(t, "it says that there is no stream", func() bool { return strings.Contains(in.Logged(), "no stream takes the subject") })
	p.logGrows(1)
	in.Get("/readyz").Want(t, http.StatusOK, "nats is away")
	p.recovers("it has a stream", func() error { s.AddStream(t, subject, forgetsNothing()); return nil })
	in.Get("/api/verve/windows").Want(t, http.StatusOK, `"published_to":"nats"`)
	in.Get("/readyz").Want(t, http.StatusOK, `{"status":"ready"}`)

	full := forgetsNothing()
	full.MaxMsgs, full.Discard = int64(len(p.taken())), jetstream.DiscardNew
	s.AddStream(t, subject, full)
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "nats is away")
	p.recovers("it has room", func() error { s.AddStream(t, subject, forgetsNothing()); return nil })

	s.Kill()
	p.logGrows(3) // one of them may have been on its way at the kill
	p.recovers("its return after two windows", s.Start)

	s.Freeze()
	p.logGrows(2)
	service.WaitFor(t, "the silence is noticed", func() bool { return strings.Contains(in.Logged(), "does not answer") })
	p.recovers("its thaw", func() error { s.Thaw(); return nil })
	p.resolve(f)
	for _, why := range []string{"connection refused", "maximum messages exceeded"} {
		if !strings.Contains(in.Logged(), why) {
			t.Errorf("nothing says %s:\n%s", why, in.Logged())
		}
	}
	if strings.Contains(in.Logged(), s.Secret()) {
		t.Error("the password is in the log")
	}
	check.Equal(t, in.Stop(), 0, "exit code")
	p.replaysOnce("nats")
}

// replaysOnce replays the log, twice. The sink has every window after that, once.
func (p *publication) replaysOnce(sink string) {
	p.T.Helper()
	all := p.everything()
	for range 2 {
		out, err := p.Command(p.T.Context(), "publish", "--replay", p.CaptureLog()).CombinedOutput()
		if err != nil || !strings.Contains(string(out), " windows were sent to "+sink) {
			p.T.Fatalf("%v: %s", err, out)
		}
		check.Equal(p.T, len(p.taken()), len(all), "windows in the sink after a replay")
	}
}

// An answer of the stream that is lost on its way: the window is in the stream and in the
// log, with one id and one number, and a replay does not repeat it.
func TestALostAnswerOfAStreamRepeatsTheCountUnderItsID(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	s.AddStream(t, subject, forgetsNothing())
	proxy := servers.StartProxy(t, s.Addr)
	p := newSubject(t, s, proxy.Addr)
	in, f := p.feeds()
	p.sinkGrows(1)
	dropped, _ := proxy.DropReply(`"seq":`)
	service.Await(t, "an answer comes by", dropped)
	service.WaitFor(t, "the count is in the log", func() bool { return len(p.Reports()) > 0 })
	p.sinkGrows(1)
	p.resolve(f)
	both, taken := 0, p.taken()
	for id := range p.Reports() {
		if _, ok := taken[id]; ok {
			both++
		}
	}
	if both == 0 {
		t.Errorf("no window is in stream and log:\n%s", in.Logged())
	}
	if body := in.Metrics(); strings.Contains(body, `footfall_publish_attempts_total{outcome="unknown",publisher="nats"} 0`) {
		t.Error("the metrics don't count the doubt")
	}
	check.Equal(t, in.Stop(), 0, "exit code")
	p.replaysOnce("nats")
}

// Wrong credentials: the log has the counts, the service's own log one line, and the service
// is ready all the same.
func TestAWrongPasswordOfNATSSendsCountsToTheLog(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	s.AddStream(t, subject, forgetsNothing())
	p := newSubject(t, s, s.Addr)
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+strings.Replace(s.URL(s.Addr, subject), s.Secret(), "wrong-"+s.Secret(), 1))
	in, f := p.feeds()
	p.logGrows(2)
	p.resolve(f)
	if s.Logins() == 0 {
		t.Error("the server refused no login")
	}
	in.Get("/readyz").Want(t, http.StatusOK, "nats is away")
	check.Equal(t, strings.Count(in.Logged(), `"nats is away"`), 1, "lines that say so")
	if !strings.Contains(in.Logged(), "user, password or token is wrong") || strings.Contains(in.Logged(), s.Secret()) {
		t.Errorf("the log does not say why, or has the password:\n%s", in.Logged())
	}
	check.Equal(t, len(p.taken()), 0, "counts in the stream")
}
