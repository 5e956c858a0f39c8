// Package sinktest has what the tests of all adapters that publish over a connection share:
// helpers here, and cases in cases.go.
package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/check"
)

// Publisher is one that has a connection.
type Publisher interface {
	publishing.Publisher
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	Away() *publishing.Outage
}

// Start starts the publisher of a URL, which ends with the test, and returns its log.
func Start[O any, P Publisher](t *testing.T, parse func(string) (O, error), open func(O, *slog.Logger) P, url string) (P, *check.Log) {
	t.Helper()
	log := &check.Log{}
	p := open(check.Value(parse(url))(t), slog.New(slog.NewTextHandler(log, nil)))
	check.Must(t, p.Start(t.Context()))
	t.Cleanup(func() { Stop(t, p) })
	return p, log
}

// Stop stops a publisher within the 5 s that the service gives it.
func Stop(t *testing.T, p Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	check.OK(t, p.Stop(ctx))
}

// Report is that of the minute i of an hour. Its id is footfall_i.
func Report(i int) publishing.Report {
	start := time.Date(2026, 11, 22, 10, i, 0, 0, time.UTC)
	return publishing.Report{ID: fmt.Sprintf("footfall_%d", i), Start: start, End: start.Add(time.Minute), Count: int64(i)}
}

// Decode reads the body of a message.
func Decode(t *testing.T, body []byte) (r publishing.Report) {
	t.Helper()
	check.Must(t, json.Unmarshal(body, &r))
	return r
}

// Publish gives a report 5 s, as the service does.
func Publish(t *testing.T, p Publisher, i int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return p.Publish(ctx, Report(i))
}

// Recovers publishes a report as soon as the server takes it.
func Recovers(t *testing.T, p Publisher, i int) {
	t.Helper()
	WaitFor(t, "it is published", func() bool { return Publish(t, p, i) == nil })
}

// silence is in the refusal when opening a link takes longer than 5 s, as on a machine that is
// stalled. The next attempt may succeed.
const silence = "does not answer"

// MustPublish publishes a report as soon as the server answers. Any other error ends the test.
func MustPublish(t *testing.T, p Publisher, i int) {
	t.Helper()
	var err error
	WaitFor(t, "the server answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err = p.Publish(ctx, Report(i))
		return !errors.Is(err, publishing.ErrRefused) || !strings.Contains(err.Error(), silence)
	})
	check.Must(t, err)
}

// Refusal publishes a report that the server refuses, and returns the error of a server that
// answers.
func Refusal(t *testing.T, p Publisher) (err error) {
	t.Helper()
	WaitFor(t, "the server answers", func() bool {
		err = Publish(t, p, 1)
		return err == nil || !strings.Contains(err.Error(), silence) && !errors.Is(err, context.DeadlineExceeded)
	})
	return err
}

// MustRefuse ends the test unless err is a refusal that has all of the parts.
func MustRefuse(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range append(parts, "") {
		if !errors.Is(err, publishing.ErrRefused) || !strings.Contains(err.Error(), part) {
			t.Fatalf("error %v, want a refusal with %q", err, part)
		}
	}
}

// MustDoubt ends the test unless err is one that is no refusal.
func MustDoubt(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, publishing.ErrRefused) {
		t.Fatalf("error %v, want one that is no refusal", err)
	}
}

// WaitAway waits until a publisher says that it is away for a reason.
func WaitAway(t *testing.T, p Publisher, why string) (away *publishing.Outage) {
	t.Helper()
	WaitFor(t, "it is away: "+why, func() bool {
		away = p.Away()
		return away != nil && strings.Contains(away.Err.Error(), why)
	})
	return away
}

// WantIDs fails the test unless a sink has reports with these ids, in order. One that was in
// doubt on a busy machine may be there again.
func WantIDs(t *testing.T, sink []publishing.Report, want ...string) {
	t.Helper()
	var got []string
	for _, r := range sink {
		if len(got) == 0 || got[len(got)-1] != r.ID {
			got = append(got, r.ID)
		}
	}
	check.Equal(t, strings.Join(got, " "), strings.Join(want, " "), "the reports that arrived")
}

// OnceInTheLog fails the test unless the log says why the server is away, with one line for each
// reason, and that it was connected once at most.
func OnceInTheLog(t *testing.T, log *check.Log, why string) {
	t.Helper()
	last := ""
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, " ") // its time
		if line == last {
			t.Errorf("want one line for each reason:\n%s", log)
			return
		}
		last = line
	}
	if log.Lines(" is away", strings.ReplaceAll(why, `"`, `\"`)) == 0 || log.Lines(" is connected") > 1 {
		t.Errorf("want a line that says %q:\n%s", why, log)
	}
}

// WaitFor waits until something holds. It ends the test after 30 s.
func WaitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 30s", what)
}

// Closer is a server that closes every connection. If says is not empty, it says that before,
// as soon as it is asked. asked counts connections.
func Closer(t *testing.T, says string) (addr string, asked *atomic.Int64) {
	t.Helper()
	l := check.Value(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	asked = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			if says != "" {
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = c.Write([]byte(says))
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String(), asked
}
