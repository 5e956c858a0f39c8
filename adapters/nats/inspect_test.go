package nats_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"footfall/adapters/nats"
	"footfall/domain/checking"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func inspect(t *testing.T, s *servers.NATS, url string) string {
	t.Helper()
	return sinktest.Inspect(t, nats.New(check.Value(nats.ParseURL(url))(t), slog.New(slog.DiscardHandler)), s.Secret())
}

// The check publishes nothing, to the stream or to another consumer of the subject.
func TestACheckOfASoundServerPublishesNothing(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	s.AddStream(t, subject, jetstream.StreamConfig{Duplicates: 24 * time.Hour})
	conn, _ := s.Connect(t)
	consumer := check.Value(conn.SubscribeSync(subject))(t)
	check.Must(t, conn.Flush())
	found := inspect(t, s, s.URL(s.Addr, subject))
	sinktest.FindsNoFault(t, found)
	sinktest.Finds(t, found, checking.OK, `stream "counts_minutes" takes the subject`)
	sinktest.Finds(t, found, checking.OK, "drops repeated counts for 24h")
	sinktest.Finds(t, found, checking.OK, "the user may publish")
	check.Must(t, conn.Flush())
	check.Equal(t, len(s.Messages(t, subject)), 0, "messages in the stream")
	if n, _, err := consumer.Pending(); n != 0 || err != nil {
		t.Errorf("a consumer has %d messages: %v", n, err)
	}
}

func TestACheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	down := servers.FreeAddr(t)
	found := inspect(t, s, s.URL(down+","+s.Addr, subject))
	sinktest.Finds(t, found, checking.Fail, down, "not reached", "connection refused")
	sinktest.Finds(t, found, checking.OK, s.Addr, "takes the login")
	sinktest.Finds(t, found, checking.Warn, "drops a repeated count for 2m0s only", "--dupe-window")
	url := s.URL(s.Addr, subject)
	sinktest.Finds(t, inspect(t, s, strings.Replace(url, s.Secret(), "wrong-one", 1)), checking.Fail, s.Addr, "user, password or token is wrong")
	sinktest.Finds(t, inspect(t, s, s.URL(s.Addr, "counts.elsewhere")), checking.Fail, `no stream takes the subject "counts.elsewhere"`)
	sinktest.Finds(t, inspect(t, s, s.URLOf("reader", subject)), checking.Fail, `the user may not publish to "counts.minutes"`)
	sinktest.Finds(t, inspect(t, s, s.URLOf("deaf", subject)), checking.Fail, "permit the user to subscribe to _INBOX.>")
	writer := inspect(t, s, s.URLOf("writer", subject)) // has no right to look at streams
	sinktest.Finds(t, writer, checking.Warn, "the user may not look for the stream", "$JS.API.STREAM.NAMES")
	check.Equal(t, strings.Contains(writer, "fail "), false, "a user with the two rights fails:\n%s", writer)
}

func TestACheckFindsAStreamThatTakesNoCounts(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	for subject, c := range map[string]struct {
		config jetstream.StreamConfig
		level  checking.Level
		want   string
	}{
		"counts.a": {jetstream.StreamConfig{NoAck: true}, checking.Fail, "confirms nothing"},
		"counts.b": {jetstream.StreamConfig{Storage: jetstream.MemoryStorage}, checking.Warn, "a restart loses counts"},
		"counts.c": {jetstream.StreamConfig{MaxMsgs: 1, Discard: jetstream.DiscardNew}, checking.Fail, "is full"},
	} {
		s.AddStream(t, subject, c.config)
		if c.config.MaxMsgs > 0 {
			p, _ := started(t, s.URL(s.Addr, subject))
			sinktest.MustPublish(t, p, 1)
		}
		sinktest.Finds(t, inspect(t, s, s.URL(s.Addr, subject)), c.level, c.want)
	}
}
