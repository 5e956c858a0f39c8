package nats_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"footfall/adapters/nats"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// The message has what is documented, and nothing else.
func TestTheMessageIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, _ := started(t, s.URL(s.Addr, subject))
	sinktest.MustPublish(t, p, 5)
	all := s.Messages(t, subject)
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	m := all[0]
	check.Equal(t, m.Subject, subject, "the subject")
	check.Equal(t, len(m.Header), 3, "headers")
	for name, want := range map[string]string{
		"Nats-Msg-Id": "footfall_5", "Type": "footfall.unique_ids.v1", "Content-Type": "application/json",
	} {
		check.Equal(t, m.Header.Get(name), want, "the header %s", name)
	}
	const body = `{"id":"footfall_5","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":5}`
	check.Equal(t, string(m.Data), body, "the body")
}

// A report that is sent again is confirmed and not stored again: after an answer that was
// lost, by another instance, and by a server that was started again.
func TestAStreamHasARepeatedReportOnce(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, _ := started(t, s.URL(proxy.Addr, subject))
	sinktest.MustPublish(t, p, 1)
	dropped, _ := proxy.DropReply(confirmation)
	sinktest.MustDoubt(t, sinktest.Publish(t, p, 2))
	<-dropped
	sinktest.MustPublish(t, p, 2)
	other, _ := started(t, s.URL(s.Addr, subject))
	sinktest.MustPublish(t, other, 2)
	s.Kill()
	check.Must(t, s.Start())
	for _, p := range []*nats.Publisher{p, other} {
		sinktest.Recovers(t, p, 2)
	}
	wantReports(t, s, subject, 1, 2)
}

// A subject that no stream takes refuses reports, says so once, and needs no
// restart when there is a stream.
func TestAMissingStreamIsAClearRefusal(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	s.DeleteStream(t, subject)
	p, log := started(t, s.URL(s.Addr, subject))
	for range 2 {
		sinktest.MustRefuse(t, sinktest.Refusal(t, p), `no stream takes the subject "counts.minutes": create one, unless it has lost its leader`)
	}
	sinktest.OnceInTheLog(t, log, "no stream takes")
	if away := p.Away(); away == nil || !strings.Contains(away.Err.Error(), "no stream takes") {
		t.Errorf("it is away: %+v", away)
	}
	wantReports(t, s, subject)
	s.AddStream(t, subject, jetstream.StreamConfig{})
	sinktest.MustPublish(t, p, 3)
	if away := p.Away(); away != nil {
		t.Errorf("it is away: %+v", away)
	}
	wantReports(t, s, subject, 3)
}

// There is no hot loop. No text has the password or the user's name.
func TestAWrongPasswordIsOneClearError(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	url := strings.Replace(s.URL(s.Addr, subject), s.Secret(), "not-the-password", 1)
	before := s.Logins()
	p, log := started(t, url)
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "user, password or token is wrong")
	sinktest.WaitFor(t, "several attempts", func() bool { return s.Logins() >= before+3 })
	if n := s.Logins() - before; n > 12 {
		t.Errorf("%d attempts to log in", n)
	}
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "user, password or token is wrong")
	sinktest.OnceInTheLog(t, log, "user, password or token is wrong")
	for _, secret := range []string{"not-the-password", check.Value(nats.ParseURL(url))(t).User} {
		if strings.Contains(log.String()+err.Error(), secret) {
			t.Errorf("%s is in %v or in\n%s", secret, err, log)
		}
	}
}

func TestPublisherIsAPublisher(t *testing.T) {
	t.Parallel()
	sinktest.Conformance(t, sink)
}
