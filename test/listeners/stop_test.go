package listeners_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/httpapi/counter"
	"footfall/domain/counting"
	"footfall/test/check"
)

// held is a store that counts a visit when it is let go.
type held struct {
	*store
	arrived, release chan struct{}
	ended            chan error // that of the context of each visit
}

func (h *held) Record(ctx context.Context, page counting.Page, n int64) error {
	h.arrived <- struct{}{}
	select {
	case <-h.release:
	case <-ctx.Done():
	}
	h.ended <- ctx.Err()
	return h.store.Record(ctx, page, n)
}

func hold() *held {
	return &held{store: newStore(), arrived: make(chan struct{}, 100), release: make(chan struct{}), ended: make(chan error, 100)}
}

// A stop answers what is in flight, also on connections that were not asked before, and
// does not wait for clients that have sent nothing or a part.
func TestBothListenersAnswerWhatIsInFlight(t *testing.T) {
	t.Parallel()
	var stores []*held
	for _, l := range both(t, options{change: func(o *counter.Options) {
		h := hold()
		stores, o.Visits = append(stores, h), h
	}}) {
		h := stores[0]
		stores = stores[1:]
		t.Run(l.name, func(t *testing.T) {
			var flying []caller
			for range 20 {
				c := l.dial(t)
				check.Value(io.WriteString(c, ask("POST", "/visit/a")))(t)
				<-h.arrived
				flying = append(flying, c)
			}
			silent, part, body, idle := l.dial(t), l.dial(t), l.dial(t), l.dial(t)
			check.Value(io.WriteString(part, "POST /visit"))(t)
			check.Value(io.WriteString(body, "POST /visits HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n["))(t)
			check.Value(io.WriteString(idle, ask("GET", "/visits/a")))(t)
			check.Equal(t, idle.said(t), "200", "the answer before the stop")
			var all sync.WaitGroup
			all.Go(func() { check.OK(t, l.Stop(context.Background())) })
			for _, c := range []caller{silent, part, idle} {
				_, _ = io.Copy(io.Discard, c.answers) // it ends, maybe by a reset
			}
			close(h.release)
			for _, c := range flying {
				check.Equal(t, c.said(t), "200 .", "an answer in flight")
			}
			all.Wait()
			check.Equal(t, strings.Count(h.noted(), `"a"+1`), 20, "visits")
		})
	}
}

// A stop waits for a caller that takes its answer slowly.
func TestBothListenersSendAllOfALargeAnswerWhileTheyStop(t *testing.T) {
	t.Parallel()
	alike(t, options{}, "200", func(t *testing.T, l *listener) []string {
		c := l.unread(t)
		var stop sync.WaitGroup
		stop.Go(func() { check.OK(t, l.Stop(context.Background())) })
		time.Sleep(1500 * time.Millisecond) // longer than it waits for callers that send nothing
		said := c.said(t)
		stop.Wait()
		return []string{said}
	})
}

// A drain ends connections with their answers, and a stop whose time is over ends the
// contexts of requests that ignore their callers.
func TestAStopWithoutTimeEndsTheContextsOfTheIngestListener(t *testing.T) {
	t.Parallel()
	h := hold()
	l := both(t, options{change: func(o *counter.Options) { o.Visits = h }})[1]
	c := l.dial(t)
	check.Value(io.WriteString(c, ask("POST", "/visit/a")))(t)
	<-h.arrived
	l.Drain()
	late := l.dial(t)
	check.Value(io.WriteString(late, ask("GET", "/visits/a")))(t)
	check.Equal(t, late.said(t), "200 .", "an answer while it drains")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	check.Fails(t, l.Stop(ctx), "a stop in which a request is at work")
	check.Is(t, <-h.ended, context.Canceled, "the end of the context")
	check.OK(t, l.Stop(t.Context()))
	check.Fails(t, l.Start(t.Context()), "started after Stop")
}
