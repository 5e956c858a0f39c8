package httpcallback_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
)

// clock is a clock that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// leadTo are names that all lead to one address.
func leadTo(addr string, n int) (map[string]func(int) []netip.Addr, []string) {
	answers := make(map[string]func(int) []netip.Addr)
	var hosts []string
	for i := range n {
		host := fmt.Sprint("n", i, ".example.com")
		answers[host] = always(addr)
		hosts = append(hosts, host)
	}
	return answers, hosts
}

// callAll calls endpoints, 32 at a time, and counts the outcomes.
func callAll(t *testing.T, n *httpcallback.Notifier, endpoints []publishing.Endpoint) map[publishing.Outcome]int {
	t.Helper()
	var mu sync.Mutex
	outcomes := make(map[publishing.Outcome]int)
	var all sync.WaitGroup
	places := make(chan struct{}, 32)
	for _, e := range endpoints {
		places <- struct{}{}
		all.Go(func() {
			a := n.Notify(t.Context(), report(), e, 1)
			<-places
			mu.Lock()
			defer mu.Unlock()
			outcomes[a.Outcome]++
			if a.Outcome == publishing.Deferred && (a.Number != 0 || a.Status != 0 || !errors.Is(a.Err, publishing.ErrLimited) || a.Address == "") {
				t.Errorf("deferred: %+v", a)
			}
		})
	}
	all.Wait()
	return outcomes
}

// S9: names that lead to one address share its rate, over windows. Another address has
// its own.
func TestS9NamesThatLeadToOneAddressShareItsRate(t *testing.T) {
	s := serve(t, "127.0.0.2:0", say(ok))
	other := serve(t, "127.0.0.3:"+s.port(), say(ok))
	answers, hosts := leadTo("127.0.0.2", 300)
	r, _ := resolver(t, answers)
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r, Rate: httpcallback.Rate{Requests: 5, Per: time.Minute}, Now: c.now})
	var all []publishing.Endpoint
	for _, host := range hosts {
		all = append(all, publishing.Endpoint("http://"+host+":"+s.port()+"/"))
	}
	for window := range 3 {
		got := callAll(t, n, all)
		check.Equal(t, fmt.Sprint(got), fmt.Sprint(map[publishing.Outcome]int{"delivered": 5, "deferred": 295}), "window %d", window)
		check.Equal(t, n.Notify(t.Context(), report(), other.endpoint("/"), 1).Outcome, publishing.Delivered, "another address")
		c.advance(59 * time.Second)
		if a := n.Notify(t.Context(), report(), s.endpoint("/"), 1); a.Outcome != publishing.Deferred || a.Until.Sub(c.now()) > time.Second {
			t.Errorf("after 59 s: %+v", a)
		}
		c.advance(time.Second)
	}
	check.Equal(t, s.connections(t), 15, "connections in three minutes")
}

// S9, P7: names that lead to the address of an endpoint leave it its calls, once it has
// accepted a report.
func TestS9AnEndpointIsCalledWhoseAddressOthersName(t *testing.T) {
	s := serve(t, "127.0.0.2:0", func(c net.Conn) {
		if hear(c) == "/honest" {
			_, _ = io.WriteString(c, ok)
		} else {
			_, _ = io.WriteString(c, "HTTP/1.1 404 No\r\n\r\n")
		}
	})
	answers, hosts := leadTo("127.0.0.2", 100)
	r, _ := resolver(t, answers)
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r, Rate: httpcallback.Rate{Requests: 5, Per: time.Minute}, Now: c.now})
	var others []publishing.Endpoint
	for _, host := range hosts {
		others = append(others, publishing.Endpoint("http://"+host+":"+s.port()+"/"))
	}
	rep := report()
	check.Equal(t, n.Notify(t.Context(), rep, s.endpoint("/honest"), 1).Outcome, publishing.Delivered, "the first window")
	for window := range 3 {
		c.advance(time.Minute)
		rep.ID = fmt.Sprint("window ", window)
		outcomes := make(map[publishing.Outcome]int)
		for _, e := range others {
			outcomes[n.Notify(t.Context(), rep, e, 1).Outcome]++
		}
		check.Equal(t, fmt.Sprint(outcomes), "map[deferred:96 failed:4]", "others")
		a := n.Notify(t.Context(), rep, s.endpoint("/honest"), 1)
		check.Equal(t, a.Outcome, publishing.Delivered, "window %d: %v", window, a.Err)
	}
}

// S9: an attempt whose name has an address at its limit waits for that, also if another
// address can't be reached. It connects to four addresses at most.
func TestS9AnAttemptTriesFewAddressesAndWaitsForThoseAtTheirLimit(t *testing.T) {
	s := serve(t, "127.0.0.2:0", say(ok))
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprint("127.0.1.", i))
	}
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"few.example.com": always("127.0.0.9", "127.0.0.2"), "many.example.com": always(many...)})
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r, Rate: httpcallback.Rate{Requests: 1, Per: time.Minute}})
	check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Delivered, "the first attempt")
	a := n.Notify(t.Context(), report(), publishing.Endpoint("http://few.example.com:"+s.port()+"/"), 1)
	check.Equal(t, a.Outcome, publishing.Deferred, "an attempt at two addresses, one of which is at its limit: %v", a.Err)
	a = n.Notify(t.Context(), report(), publishing.Endpoint("http://many.example.com:"+s.port()+"/"), 1)
	check.Equal(t, a.Outcome, publishing.Failed, "an attempt at ten addresses: %v", a.Err)
	tried := 0
	for _, addr := range many {
		if n.Notify(t.Context(), report(), publishing.Endpoint("http://"+addr+":"+s.port()+"/"), 1).Outcome == publishing.Deferred {
			tried++
		}
	}
	check.Equal(t, tried, 4, "addresses of ten that were tried")
}

// S9: a slow address has eight connections at a time, whatever the names.
func TestS9ConnectionsToOneAddressAreBounded(t *testing.T) {
	begun, release := make(chan struct{}, 100), make(chan struct{})
	s := serve(t, "127.0.0.2:0", func(c net.Conn) {
		hear(c)
		begun <- struct{}{}
		<-release
		_, _ = io.WriteString(c, ok)
	})
	answers, hosts := leadTo("127.0.0.2", 8)
	r, _ := resolver(t, answers)
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r, Rate: httpcallback.Rate{Requests: 1000, Per: time.Second}})
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Go(func() {
			a := n.Notify(t.Context(), report(), publishing.Endpoint("http://"+host+":"+s.port()+"/"), 1)
			check.Equal(t, a.Outcome, publishing.Delivered, "the outcome of %s", host)
		})
	}
	for range hosts {
		<-begun
	}
	a := n.Notify(t.Context(), report(), s.endpoint("/"), 1)
	check.Equal(t, a.Outcome, publishing.Deferred, "a ninth one")
	close(release)
	all.Wait()
	check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Delivered, "the next one")
	check.Equal(t, s.connections(t), 9, "connections")
}

// S9: an endpoint that fails for long is called less and less, and at once when it has
// answered well. Its neighbour at the same address is called as ever.
func TestS9AnEndpointThatFailsForLongIsPaused(t *testing.T) {
	var works atomic.Bool
	s := serve(t, "127.0.0.2:0", func(c net.Conn) {
		hear(c)
		_, _ = io.WriteString(c, map[bool]string{false: "HTTP/1.1 500 No\r\n\r\n", true: ok}[works.Load()])
	})
	neighbour := serve(t, "127.0.0.2:0", say(ok))
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Now: c.now})
	called := 0
	for range 6 * 60 { // six hours of windows
		a := n.Notify(t.Context(), report(), s.endpoint("/"), 1)
		switch {
		case a.Outcome == publishing.Failed:
			called++
		case a.Number != 0 || !errors.Is(a.Err, publishing.ErrPaused) || !strings.HasPrefix(a.Err.Error(), "abandoned: it is paused until 2") || a.Until.Before(c.now()):
			t.Fatalf("%+v", a)
		default: // after the loop the last pause may be over
			check.Equal(t, n.Paused(), 1, "what is paused")
		}
		check.Equal(t, n.Notify(t.Context(), report(), neighbour.endpoint("/"), 1).Outcome, publishing.Delivered, "the neighbour")
		c.advance(time.Minute)
	}
	if called < 10 || called > 25 {
		t.Errorf("it was called %d times in six hours", called)
	}
	works.Store(true)
	c.advance(time.Hour)
	for range 10 {
		check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Delivered, "when it works")
	}
	check.Equal(t, n.Paused(), 0, "what is paused then")
}

// S9: an address at which nothing listens is paused for all names that lead there, and
// its other ports are not.
func TestS9AnAddressWithoutAnAnswerIsPausedForAllItsNames(t *testing.T) {
	_, port, _ := net.SplitHostPort(servers.FreeAddr(t))
	s := serve(t, "127.0.0.2:0", say(ok))
	answers, hosts := leadTo("127.0.0.2", 100)
	r, _ := resolver(t, answers)
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r, Now: c.now})
	outcomes := make(map[publishing.Outcome]int)
	for _, host := range hosts { // each of them once
		a := n.Notify(t.Context(), report(), publishing.Endpoint("http://"+host+":"+port+"/"), 1)
		outcomes[a.Outcome]++
		if a.Outcome == publishing.Paused && !strings.Contains(a.Err.Error(), "its address 127.0.0.2:"+port+" does not answer") {
			t.Errorf("%v", a.Err)
		}
		c.advance(30 * time.Second)
	}
	if outcomes[publishing.Failed] > 15 || outcomes[publishing.Paused] < 80 {
		t.Errorf("in 50 minutes: %v", outcomes)
	}
	a := n.Notify(t.Context(), report(), publishing.Endpoint("http://"+hosts[0]+":"+s.port()+"/"), 1)
	check.Equal(t, a.Outcome, publishing.Delivered, "another port")
}

// S9: an endpoint that answered 410 is not called in the windows of a day.
func TestS9AnEndpointThatSaysGoneIsNotCalledForADay(t *testing.T) {
	s := serve(t, "127.0.0.2:0", say("HTTP/1.1 410 Gone\r\n\r\n"))
	var c clock
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Now: c.now})
	for range 2 {
		check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Refused, "the first call of a day")
		for range 23 {
			c.advance(time.Hour)
			check.Equal(t, n.Notify(t.Context(), report(), s.endpoint("/"), 1).Outcome, publishing.Paused, "a later call")
		}
		c.advance(time.Hour)
	}
	check.Equal(t, s.connections(t), 2, "calls in two days")
}

// S9: who is called can see who calls, and whom to ask.
func TestS9TheUserAgentNamesTheOwner(t *testing.T) {
	s, next := recorder(t)
	for text, want := range map[string]string{
		"": "footfall", "https://example.com/hooks": "footfall (+https://example.com/hooks)",
		"mailto:ops@example.com": "footfall (+mailto:ops@example.com)",
	} {
		contact := check.Value(httpcallback.ParseContact(text))(t)
		notifier(t, "127.0.0.0/8", httpcallback.Options{Contact: contact}).Notify(t.Context(), report(), s.endpoint("/"), 1)
		check.Equal(t, header(t, next(), "User-Agent"), want, "the User-Agent with %q", text)
	}
	for _, text := range []string{"ops@example.com", "ftp://h/", "https://", "https://u:p@h/", "mailto:ops", "https://h/\r\nX: y", "https://h/(x)", "https://h/" + strings.Repeat("x", 300)} {
		check.Fails(t, check.Err(httpcallback.ParseContact(text)), "contact %q", text)
	}
}
