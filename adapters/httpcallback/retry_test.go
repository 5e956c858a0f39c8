package httpcallback_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
)

// An operator knows when an endpoint is back, and does not wait for its pause.
func TestARetryIsNotHeldByAPauseAndEndsIt(t *testing.T) {
	var works atomic.Bool
	s := serve(t, "127.0.0.2:0", func(c net.Conn) {
		hear(c)
		_, _ = io.WriteString(c, map[bool]string{false: "HTTP/1.1 500 No\r\n\r\n", true: ok}[works.Load()])
	})
	away := publishing.Endpoint("http://" + servers.FreeAddr(t) + "/")
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Now: c.now})
	for _, e := range []publishing.Endpoint{s.endpoint("/"), away} {
		for range 10 {
			n.Notify(t.Context(), report(), e, 1)
			c.advance(time.Minute)
		}
		check.Equal(t, n.Notify(t.Context(), report(), e, 1).Outcome, publishing.Paused, "an attempt for a window at %s", e)
		a := n.Retry(t.Context(), report(), e, 4)
		check.Equal(t, a.Outcome, publishing.Failed, "a retry at %s: %v", e, a.Err)
		check.Equal(t, a.Number, 4, "its number")
	}
	works.Store(true)
	check.Equal(t, n.Retry(t.Context(), report(), s.endpoint("/"), 5).Outcome, publishing.Delivered, "a retry when it works")
	check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Delivered, "an attempt for a window then")
}

// P7: retries that fail keep no window from its endpoints, nor do they take their rate.
func TestP7RetriesBeginNoPauseAndHaveARateOfTheirOwn(t *testing.T) {
	var works atomic.Bool
	s := serve(t, "127.0.0.2:0", func(c net.Conn) {
		hear(c)
		_, _ = io.WriteString(c, map[bool]string{false: "HTTP/1.1 410 Gone\r\n\r\n", true: ok}[works.Load()])
	})
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Now: c.now, Rate: httpcallback.Rate{Requests: 5, Per: time.Hour}})
	outcomes := make(map[publishing.Outcome]int)
	for range 7 {
		outcomes[n.Retry(t.Context(), report(), s.endpoint("/"), 4).Outcome]++
		c.advance(time.Minute)
	}
	check.Equal(t, outcomes[publishing.Refused], 5, "retries that were made")
	check.Equal(t, outcomes[publishing.Deferred], 2, "retries beyond the rate")
	works.Store(true)
	for range 5 {
		check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Delivered, "an attempt for a window")
	}
	check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Deferred, "one beyond the rate")
}
