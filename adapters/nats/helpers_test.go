package nats_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"footfall/adapters/nats"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// server starts a server with a stream for a subject.
func server(t *testing.T) (s *servers.NATS, subject string) {
	t.Helper()
	s, subject = servers.StartNATS(t), "counts.minutes"
	s.AddStream(t, subject, jetstream.StreamConfig{})
	return s, subject
}

func started(t *testing.T, url string) (*nats.Publisher, *check.Log) {
	t.Helper()
	return sinktest.Start(t, nats.ParseURL, nats.New, url)
}

// freeze returns when the server does not answer any more.
func freeze(t *testing.T, s *servers.NATS) {
	t.Helper()
	conn, _ := s.Connect(t)
	s.Freeze()
	sinktest.WaitFor(t, "it is frozen", func() bool { return conn.FlushTimeout(100*time.Millisecond) != nil })
}

// reports are those of a subject's stream, in order.
func reports(t *testing.T, s *servers.NATS, subject string) (all []publishing.Report) {
	t.Helper()
	for _, m := range s.Messages(t, subject) {
		r := sinktest.Decode(t, m.Data)
		check.Equal(t, m.Header.Get("Nats-Msg-Id"), r.ID, "the id of a message")
		all = append(all, r)
	}
	return all
}

// wantReports wants the reports of a stream, each once, in order.
func wantReports(t *testing.T, s *servers.NATS, subject string, want ...int) {
	t.Helper()
	var ids, wanted []string
	for _, r := range reports(t, s, subject) {
		ids = append(ids, r.ID)
	}
	for _, i := range want {
		wanted = append(wanted, sinktest.Report(i).ID)
	}
	if !slices.Equal(ids, wanted) {
		t.Errorf("the stream has %v, want %v", ids, wanted)
	}
}

// mustDoubtWithin publishes a report that is not confirmed in time.
func mustDoubtWithin(t *testing.T, p *nats.Publisher, i int, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	sinktest.MustDoubt(t, p.Publish(ctx, sinktest.Report(i)))
}

// confirmation is in a stream's answer that it has a message.
const confirmation = `"seq":`

// sink is the adapter with a server and a stream of its own.
func sink(t *testing.T) sinktest.Sink {
	t.Helper()
	server, subject := server(t)
	s := sinktest.Of("nats", nats.ParseURL, nats.New)
	s.Addr, s.Taken = server.Addr, confirmation
	s.URL = func(addr string) string { return server.URL(addr, subject) }
	s.Read = func(t *testing.T) []publishing.Report { return reports(t, server, subject) }
	return s
}
