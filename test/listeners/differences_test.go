package listeners_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// RecordAll is Record for bulks.
func (h *held) RecordAll(ctx context.Context, visits []counting.Visit) []error {
	h.arrived <- struct{}{}
	select {
	case <-h.release:
	case <-ctx.Done():
	}
	h.ended <- ctx.Err()
	return h.store.RecordAll(ctx, visits)
}

// bothHeld starts the two listeners on stores that count when they are let go.
func bothHeld(t *testing.T) (all [2]*listener, stores [2]*held) {
	t.Helper()
	i := 0
	all = both(t, options{change: func(o *counter.Options) {
		stores[i] = hold()
		o.Visits = stores[i]
		i++
	}})
	return all, stores
}

// letGo lets a visit be counted that has arrived.
func (h *held) letGo(t *testing.T) {
	t.Helper()
	select {
	case h.release <- struct{}{}:
	case <-time.After(30 * time.Second):
		t.Fatal("no visit waits")
	}
}

// requests is how many requests the metrics of a listener have.
func (l *listener) requests(t *testing.T) (n float64) {
	t.Helper()
	for _, family := range check.Value(l.metrics.Gather())(t) {
		if family.GetName() == "footfall_http_requests_total" {
			for _, m := range family.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// fasthttp reads the first byte of a body before the service sees the request. net/http leaves it to
// the service, which needs no body of a read.
func TestTheListenersDifferWhereABodyDoesNotBegin(t *testing.T) {
	t.Parallel()
	all := both(t, options{requestTime: 500 * time.Millisecond, change: func(o *counter.Options) {
		o.Clients = limits.NewClients(limits.Rate{Requests: 1, Per: time.Hour}, nil, nil)
	}})
	for i, want := range [][2]string{{"200 .", "429 rate_limited"}, {"408 too_slow .", "200"}} {
		l := all[i]
		check.Equal(t, l.say(t, ask("GET", "/visits/a", "Content-Length: 10")), want[0], "what the %s listener says", l.name)
		check.Equal(t, l.requests(t), float64(1-i), "requests that the %s listener has counted", l.name)
		next, _, _ := strings.Cut(l.say(t, ask("GET", "/visits/a")), " after ")
		check.Equal(t, next, want[1], "what the %s listener says after it", l.name)
	}
}

// fasthttp does not notice that a caller has left. net/http does, and the bulk's context ends.
func TestTheListenersDifferWhereACallerLeavesDuringABulk(t *testing.T) {
	t.Parallel()
	all, stores := bothHeld(t)
	leave := func(l *listener, h *held) {
		c := l.dial(t)
		check.Value(io.WriteString(c, send("POST", "/visits", `[{"page_id":"a"}]`)))(t)
		<-h.arrived
		check.Must(t, c.Close())
	}
	leave(all[0], stores[0])
	check.Is(t, <-stores[0].ended, context.Canceled, "the context of the public listener's bulk")
	leave(all[1], stores[1])
	for range 20 { // it has time enough to notice
		check.Equal(t, all[1].say(t, ask("GET", "/visits/b")), "200", "a read beside it")
	}
	close(stores[1].release)
	check.OK(t, <-stores[1].ended)
}

// fasthttp sends its answers when it has read all requests that came together.
func TestTheListenersDifferInWhenTheySendAnswersToRequestsThatCameTogether(t *testing.T) {
	t.Parallel()
	all, stores := bothHeld(t)
	for i, l := range all {
		c, h := l.dial(t), stores[i]
		check.Value(io.WriteString(c, ask("POST", "/visit/a")+ask("POST", "/visit/b")))(t)
		<-h.arrived
		h.letGo(t)
		<-h.arrived // the first one is answered
		if l.name == "public" {
			check.Equal(t, c.said(t), "200", "the first answer, before the second visit is counted")
		} else {
			check.Must(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			_, err := c.answers.Peek(1)
			check.Is(t, err, os.ErrDeadlineExceeded, "the first answer, before the second visit is counted")
			check.Must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		}
		h.letGo(t)
		for range 1 + i {
			check.Equal(t, c.said(t), "200", "the answers, after it")
		}
	}
}
