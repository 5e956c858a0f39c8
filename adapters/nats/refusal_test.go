package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// F26: a sibling. A user with the right to publish to the subject and to receive answers
// needs no other one.
func TestAUserWithTheTwoRightsPublishes(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, _ := started(t, s.URLOf("writer", subject))
	sinktest.MustPublish(t, p, 1)
	wantReports(t, s, subject, 1)
}

// F26: a sibling. A missing right is named, and the report was not taken. NATS answers a
// publish without the right with an error of the connection alone.
func TestAMissingRightIsAClearRefusal(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	for user, parts := range map[string][]string{
		"reader": {"permissions violation", `Publish to "counts.minutes"`, "permit the user to publish to it"},
		"deaf":   {"permissions violation", "permit the user to subscribe to _INBOX.>"},
	} {
		p, log := started(t, s.URLOf(user, subject))
		for range 2 {
			err := sinktest.Refusal(t, p)
			for _, part := range parts {
				sinktest.MustRefuse(t, err, part)
			}
		}
		sinktest.OnceInTheLog(t, log, parts[len(parts)-1])
		if away := p.Away(); away == nil || !strings.Contains(away.Err.Error(), parts[0]) {
			t.Errorf("%s: it is away: %+v", user, away)
		}
	}
	wantReports(t, s, subject)
}

// A stream that is full, and drops nothing for new messages, refuses reports until there
// is room.
func TestAFullStreamRefuses(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	full := jetstream.StreamConfig{MaxMsgs: 1, Discard: jetstream.DiscardNew}
	s.AddStream(t, subject, full)
	p, log := started(t, s.URL(s.Addr, subject))
	sinktest.MustPublish(t, p, 1)
	for range 2 {
		sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "maximum messages exceeded")
	}
	sinktest.OnceInTheLog(t, log, "maximum messages exceeded")
	sinktest.MustPublish(t, p, 1) // it is there
	full.MaxMsgs = 2
	s.AddStream(t, subject, full)
	sinktest.MustPublish(t, p, 3)
	wantReports(t, s, subject, 1, 3)
}

// answers stands in for a stream that gives answers which need a cluster or a broken
// disk. It returns how often it was asked.
func answers(t *testing.T, s *servers.NATS, subject string, all ...string) *atomic.Int64 {
	t.Helper()
	conn, _ := s.Connect(t)
	var asked atomic.Int64
	check.Value(conn.Subscribe(subject, func(m *natsgo.Msg) {
		n := int(asked.Add(1))
		check.OK(t, m.Respond([]byte(all[min(n, len(all))-1])))
	}))(t)
	check.Must(t, conn.Flush())
	return &asked
}

func failed(code, number int, description string) string {
	return fmt.Sprintf(`{"type":"io.nats.jetstream.api.v1.pub_ack_response","error":{"code":%d,"err_code":%d,"description":%q},"stream":"counts","seq":0}`, code, number, description)
}

const (
	stored   = `{"stream":"counts","seq":7}`
	repeated = `{"stream":"counts","seq":7,"duplicate":true}`
)

// A replicated stream refuses an id that is still on its way to the replicas: a report that
// is sent again quickly. It is neither refused nor in doubt until its time is up.
func TestAnIDThatIsBeingStoredIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	conflict := failed(409, 10158, "duplicate message id is in process")
	asked := answers(t, s, "counts.a", conflict, conflict, repeated)
	p, _ := started(t, s.URL(s.Addr, "counts.a"))
	sinktest.MustPublish(t, p, 1)
	check.Equal(t, asked.Load(), 3, "attempts")

	// A refusal after that says nothing of the report that was in process.
	answers(t, s, "counts.c", conflict, failed(503, 10023, "insufficient resources"))
	p, _ = started(t, s.URL(s.Addr, "counts.c"))
	err := sinktest.Refusal(t, p)
	sinktest.MustDoubt(t, err)
	check.Says(t, err, "in process", "insufficient resources")

	asked = answers(t, s, "counts.b", conflict)
	p, _ = started(t, s.URL(s.Addr, "counts.b"))
	sinktest.WaitFor(t, "it is connected", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := p.Publish(ctx, sinktest.Report(1))
		return err != nil && !errors.Is(err, publishing.ErrRefused) && strings.Contains(err.Error(), "in process")
	})
	if n := asked.Load(); n < 3 || n > 40 {
		t.Errorf("%d attempts", n)
	}
}

// Only an answer which says that the message was not stored is a refusal.
func TestAnswersOfAStreamAreClassified(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t)
	for i, c := range []struct {
		answer, want string
		refused      bool
	}{
		{failed(400, 10054, "message size exceeds maximum allowed"), "message size", true},
		{failed(400, 10109, "invalid operation on sealed stream"), "sealed stream", true},
		{failed(503, 10023, "insufficient resources"), "insufficient resources", true},
		{failed(503, 10077, "maximum bytes exceeded"), "maximum bytes", true},
		{failed(503, 10077, "write counts/msgs/1.blk: input/output error"), "input/output", false},
		{failed(500, 10099, "something new"), "something new", false},
		{"not JSON", "invalid jetstream publish response", false},
		{"{}", "invalid jetstream publish response", false},
	} {
		subject := fmt.Sprint("counts.", i)
		answers(t, s, subject, c.answer)
		p, _ := started(t, s.URL(s.Addr, subject))
		err := sinktest.Refusal(t, p)
		if err == nil || errors.Is(err, publishing.ErrRefused) != c.refused || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a refusal: %t", c.answer, err, c.refused)
		}
	}
	answers(t, s, "counts.stored", stored)
	p, _ := started(t, s.URL(s.Addr, "counts.stored"))
	sinktest.MustPublish(t, p, 1)
}

// A report that is refused while the server is away, or because its context ended, is
// never sent later: nothing is buffered for the next connection.
func TestARefusedReportIsNotSentLater(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, _ := started(t, s.URL(s.Addr, subject))
	sinktest.MustPublish(t, p, 1)
	freeze(t, s)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs { // one is sent and the others wait
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			errs[i] = p.Publish(ctx, sinktest.Report(2+i))
		})
	}
	all.Wait()
	s.Kill()
	for i := range 10 { // while it is away
		errs = append(errs, sinktest.Publish(t, p, 6+i))
	}
	check.Must(t, s.Start())
	sinktest.Recovers(t, p, 50)
	there := make(map[string]bool)
	for _, r := range reports(t, s, subject) {
		there[r.ID] = true
	}
	refusals := 0
	for i, err := range errs {
		switch id := sinktest.Report(2 + i).ID; {
		case err == nil:
			t.Errorf("%s is published, by a server that was away", id)
		case errors.Is(err, publishing.ErrRefused):
			refusals++
			if there[id] {
				t.Errorf("%s is refused, and in the stream", id)
			}
		}
	}
	if refusals != len(errs)-1 {
		t.Errorf("%d of %d are refused, want all but the one that was sent: %v", refusals, len(errs), errs)
	}
}

// A report that is in doubt since the server is frozen arrives when the server goes on, or
// never. It is in the stream once when it is sent again.
func TestAReportInDoubtIsStoredOnce(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, _ := started(t, s.URL(s.Addr, subject))
	sinktest.MustPublish(t, p, 1)
	freeze(t, s)
	sinktest.MustDoubt(t, sinktest.Publish(t, p, 2))
	s.Thaw()
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, subject, 1, 2)
}
