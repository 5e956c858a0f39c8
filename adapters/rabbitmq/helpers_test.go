package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/rabbitmq"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
)

// confirmMethod begins the frame by which a broker confirms on channel 1:
// basic.ack (AMQP 0-9-1, 4.2.3 and 60.80).
const confirmMethod = "\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"

// broker is one server for all tests: a start takes seconds.
var broker struct {
	once   sync.Once
	server *servers.RabbitMQ
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if broker.server != nil {
		broker.server.Close()
	}
	os.Exit(code)
}

func server(t *testing.T) *servers.RabbitMQ {
	t.Helper()
	broker.once.Do(func() {
		if broker.server, broker.err = servers.OpenRabbitMQ(); broker.err == nil {
			broker.err = broker.server.Start()
		}
	})
	check.Must(t, broker.err)
	return broker.server
}

// queue returns a name that no other test has.
func queue(t *testing.T) string {
	return fmt.Sprint(strings.ReplaceAll(t.Name(), "/", "."), ".", time.Now().UnixNano())
}

func options(t *testing.T, url string) rabbitmq.Options {
	t.Helper()
	return check.Value(rabbitmq.ParseURL(url))(t)
}

func started(t *testing.T, url string) (*rabbitmq.Publisher, *check.Log) {
	t.Helper()
	log := &check.Log{}
	p := rabbitmq.New(options(t, url), slog.New(slog.NewTextHandler(log, nil)))
	check.Must(t, p.Start(t.Context()))
	t.Cleanup(func() { stop(t, p) })
	return p, log
}

func stop(t *testing.T, p *rabbitmq.Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	check.OK(t, p.Stop(ctx))
}

func report(i int) publishing.Report {
	start := time.Date(2026, 11, 22, 10, i, 0, 0, time.UTC)
	return publishing.Report{ID: fmt.Sprintf("footfall_%d", i), Start: start, End: start.Add(time.Minute), Count: int64(i)}
}

// publish gives a report 5 s, as the service does.
func publish(t *testing.T, p *rabbitmq.Publisher, i int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return p.Publish(ctx, report(i))
}

// silence is in the refusal when setting up a link takes longer than 5 s, as on a
// machine that is stalled. The next attempt may succeed.
const silence = "does not answer"

// mustPublish publishes a report as soon as the broker is there.
func mustPublish(t *testing.T, p *rabbitmq.Publisher, i int) {
	t.Helper()
	var err error
	waitFor(t, "the broker answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err = p.Publish(ctx, report(i))
		return !errors.Is(err, publishing.ErrRefused) || !strings.Contains(err.Error(), silence)
	})
	check.Must(t, err)
}

// refusal publishes a report that the broker refuses, and returns the error of a
// broker that answers.
func refusal(t *testing.T, p *rabbitmq.Publisher) (err error) {
	t.Helper()
	waitFor(t, "the broker answers", func() bool {
		err = publish(t, p, 1)
		return err == nil || !strings.Contains(err.Error(), silence) && !errors.Is(err, context.DeadlineExceeded)
	})
	return err
}

// wantReports wants the reports of a queue in order. One that was in doubt on a busy machine
// is there again.
func wantReports(t *testing.T, s *servers.RabbitMQ, queue string, want ...string) {
	t.Helper()
	var ids []string
	for _, m := range s.Messages(t, queue) {
		ids = append(ids, m.MessageId)
	}
	if got := slices.Compact(slices.Clone(ids)); !slices.Equal(got, want) {
		t.Errorf("the queue has %v, want %v", ids, want)
	}
}

// onceInTheLog fails unless every line says that the broker is away, each for
// another reason than the line before, and one of them for the reason why.
func onceInTheLog(t *testing.T, log *check.Log, why string) {
	t.Helper()
	last := ""
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, " ") // its time
		if line == last || !strings.Contains(line, "rabbitmq is away") {
			t.Errorf("want one line for each reason:\n%s", log)
			return
		}
		last = line
	}
	if !strings.Contains(log.String(), why) {
		t.Errorf("nothing says %q:\n%s", why, log)
	}
}

func mustRefuse(t *testing.T, err error, why string) {
	t.Helper()
	if !errors.Is(err, publishing.ErrRefused) || !strings.Contains(err.Error(), why) {
		t.Fatalf("error %v, want a refusal with %q", err, why)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 30s", what)
}
