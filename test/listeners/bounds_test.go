package listeners_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/netconn"
	"footfall/domain/counting"
	"footfall/test/check"
)

// say sends a request on a connection of its own, and returns the status, what Retry-After
// and code the answer has, and whether the connection ends.
func (l *listener) say(t *testing.T, request string) string {
	t.Helper()
	c := l.dial(t)
	check.Value(io.WriteString(c, request))(t)
	return c.said(t)
}

func (c caller) said(t *testing.T) string {
	t.Helper()
	a, ok := c.next(t, "POST")
	if !ok {
		return "nothing"
	}
	text := fmt.Sprint(a.status)
	if _, code, ok := strings.Cut(a.body, `"code":"`); ok {
		text += " " + code[:strings.IndexByte(code, '"')]
	}
	if after := a.header.Get("Retry-After"); after != "" {
		text += " after " + after
	}
	if a.closes {
		text += " ."
	}
	return text
}

// alike runs a test on both listeners, which have to say the same.
func alike(t *testing.T, o options, want string, run func(t *testing.T, l *listener) []string) {
	t.Helper()
	for _, l := range both(t, o) {
		t.Run(l.name, func(t *testing.T) {
			check.Equal(t, strings.Join(run(t, l), ", "), want, "what the %s listener says", l.name)
		})
	}
}

// from is a request for a proxy that forwards it.
func from(client, method, target string) string {
	return ask(method, target, "X-Forwarded-For: "+client)
}

func proxies(t *testing.T) []netip.Prefix {
	t.Helper()
	return check.Value(limits.ParseProxies("127.0.0.0/8"))(t)
}

func TestBothListenersLimitTheRateOfEachClient(t *testing.T) {
	t.Parallel()
	trusted := proxies(t)
	alike(t, options{change: func(o *counter.Options) {
		o.Identify = limits.Identify{Proxies: trusted}
		o.Clients = limits.NewClients(limits.Rate{Requests: 2, Per: time.Hour}, trusted, nil)
	}}, "200, 404 no_such_route, 429 rate_limited, 429 rate_limited, 429 rate_limited, 200, 200, 429 rate_limited", func(t *testing.T, l *listener) []string {
		var said []string
		for _, request := range []string{
			from("192.0.2.1", "POST", "/visit/a"),
			from("198.51.100.9, 192.0.2.1", "GET", "/nothing"),
			from("192.0.2.1", "POST", "/visit/a"),
			from("192.0.2.1", "DELETE", "/visit/a"),
			from("192.0.2.1", "GET", "/nothing"),
			from("192.0.2.2", "GET", "/visits/a"),
			send("POST", "/visits", `[{"page_id":"a"},{"page_id":"a"},{"page_id":"a"}]`, "X-Forwarded-For: 192.0.2.3"),
			from("192.0.2.3", "POST", "/visit/a"),
		} {
			text, _, _ := strings.Cut(l.say(t, request), " after ")
			said = append(said, text)
		}
		return said
	})
}

// Bytes of bodies are accounted as they come.
func TestBothListenersHaveSharesOfBytes(t *testing.T) {
	t.Parallel()
	trusted := proxies(t)
	const large = 64 << 10
	alike(t, options{change: func(o *counter.Options) {
		o.Identify = limits.Identify{Proxies: trusted}
		o.Bytes = &limits.Pool{Resource: "bytes", Total: 100 << 10, Share: 50 << 10}
	}}, "429 client_limit after 1 ., 200, 413 too_large .", func(t *testing.T, l *listener) []string {
		return []string{
			l.say(t, send("POST", "/visits", strings.Repeat(" ", large)+"[]", "X-Forwarded-For: 192.0.2.1")),
			l.say(t, send("POST", "/visits", strings.Repeat(" ", large/4)+"[]", "X-Forwarded-For: 192.0.2.1")),
			l.say(t, send("POST", "/visit/a", strings.Repeat(" ", large), asJSON)),
		}
	})
}

func TestBothListenersHaveSharesOfBulks(t *testing.T) {
	t.Parallel()
	alike(t, options{change: func(o *counter.Options) {
		o.Bulks = &limits.Pool{Resource: "bulks", Total: 1}
		check.OK(t, o.Bulks.Acquire(netip.Prefix{}, 1))
	}}, "503 overloaded after 1, 200", func(t *testing.T, l *listener) []string {
		return []string{l.say(t, send("POST", "/visits", "[]")), l.say(t, ask("POST", "/visit/a"))}
	})
}

func TestBothListenersHaveSharesOfRequests(t *testing.T) {
	t.Parallel()
	var all []*limits.Pool
	alike(t, options{change: func(o *counter.Options) {
		o.Requests = &limits.Pool{Resource: "requests", Total: 1}
		check.OK(t, o.Requests.Acquire(netip.Prefix{}, 1))
		all = append(all, o.Requests)
	}}, "503 overloaded after 1, 503 overloaded after 1, 200, 200", func(t *testing.T, l *listener) []string {
		full := []string{l.say(t, send("POST", "/visits", "[]")), l.say(t, ask("POST", "/visit/a"))}
		all[0].Release(netip.Prefix{}, 1)
		all = all[1:]
		return append(full, l.say(t, ask("POST", "/visit/a")), l.say(t, ask("POST", "/visit/a")))
	})
}

// unread sends a bulk whose answer of megabytes is not read, on a connection that has room for little
// of it, and returns when the first bytes of the answer are there.
func (l *listener) unread(t *testing.T) caller {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		return errors.Join(raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }), err)
	}}
	c := check.Value(d.DialContext(t.Context(), "tcp", l.Addr()))(t)
	t.Cleanup(func() { _ = c.Close() })
	check.Must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	item := `{"page_id":"` + strings.Repeat("<", counting.MaxPageBytes) + `"}`
	check.Value(io.WriteString(c, send("POST", "/visits", "["+strings.Repeat(item+",", 1999)+item+"]")))(t)
	caller := caller{c, bufio.NewReaderSize(c, 16)}
	check.Value(caller.answers.Peek(1))(t)
	return caller
}

// A request holds its bytes until its answer is written.
func TestBothListenersHoldTheBytesOfAnAnswerThatIsNotRead(t *testing.T) {
	t.Parallel()
	again := func(t *testing.T, l *listener) string {
		return l.say(t, send("POST", "/visits", strings.Repeat(" ", 1<<20)+"[]"))
	}
	alike(t, options{change: func(o *counter.Options) {
		o.Bytes = &limits.Pool{Resource: "bytes", Total: 1<<20 + 200<<10}
	}}, "503 overloaded after 1 ., 200, 200", func(t *testing.T, l *listener) []string {
		c := l.unread(t)
		said := []string{again(t, l), c.said(t)}
		last := ""
		for deadline := time.Now().Add(30 * time.Second); last != "200" && time.Now().Before(deadline); {
			last = again(t, l)
		}
		return append(said, last)
	})
}

// A connection is closed for another one of its client when it has been idle for a second, and not
// while a request is under way.
func TestBothListenersHaveSharesOfConnections(t *testing.T) {
	t.Parallel()
	var stores []*held
	o := options{limits: netconn.Limits{Connections: 10, Share: 1}, change: func(o *counter.Options) {
		h := hold()
		stores, o.Visits = append(stores, h), h
	}}
	alike(t, o, "200, 429 client_limit after 1 ., 200, 200, nothing", func(t *testing.T, l *listener) []string {
		h, first := stores[0], l.dial(t)
		stores = stores[1:]
		check.Value(io.WriteString(first, ask("GET", "/visits/a")))(t)
		said := []string{first.said(t)}
		check.Value(io.WriteString(first, ask("POST", "/visit/a")))(t)
		<-h.arrived
		time.Sleep(1200 * time.Millisecond)
		said = append(said, l.dial(t).said(t))
		h.letGo(t)
		said = append(said, first.said(t))
		time.Sleep(1200 * time.Millisecond)
		return append(said, l.say(t, ask("GET", "/visits/a")), first.said(t))
	})
}

// A body that does not come in time is 408, and a header that does not come in time is
// nothing.
func TestBothListenersEndSlowCallers(t *testing.T) {
	t.Parallel()
	alike(t, options{requestTime: 500 * time.Millisecond}, "nothing, nothing"+strings.Repeat(", 408 too_slow .", 6), func(t *testing.T, l *listener) []string {
		return []string{
			l.say(t, "POST /visit/a HTTP/1.1\r\nHost: x\r\n"),
			l.say(t, "POST /visit/a HTTP/1.1\r\nHost: x\r\nX: y"),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[{"),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n["),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2"),
			l.say(t, "POST /visits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]"),
		}
	})
}

// Where the end of the last chunk has not come in time, net/http takes the body for a bad one.
func TestTheListenersDifferWhereTheEndOfTheLastChunkIsLate(t *testing.T) {
	t.Parallel()
	all := both(t, options{requestTime: 500 * time.Millisecond})
	const late = "POST /visits HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
	check.Equal(t, all[0].say(t, late), "400 bad_body .", "what the public listener says")
	check.Equal(t, all[1].say(t, late), "408 too_slow .", "what the ingest listener says")
}

// A body that ends before its length is there is none, and nothing of it is counted.
func TestBothListenersRefuseABodyThatIsCutOff(t *testing.T) {
	t.Parallel()
	const lines = "{\"page_id\":\"a\"}\n{\"page_id\":\"b\"}\n"
	long := fmt.Sprintf("Content-Length: %d", len(lines)+1)
	alike(t, options{}, strings.Repeat("400 bad_body ., ", 4)+`counted ""`, func(t *testing.T, l *listener) []string {
		var said []string
		for _, request := range []string{
			ask("POST", "/visits", long) + lines, ask("POST", "/visits", long, "Idempotency-Key: k") + lines,
			ask("POST", "/visit/a", "Content-Length: 3", asJSON) + "{}", strings.TrimSuffix(chunked("/visits", []string{lines}), "\r\n0\r\n\r\n"),
		} {
			c := l.dial(t)
			check.Value(io.WriteString(c, request))(t)
			check.Must(t, c.Conn.(*net.TCPConn).CloseWrite())
			said = append(said, c.said(t))
		}
		return append(said, fmt.Sprintf("counted %q", l.store.noted()))
	})
}

// Where the first line has not come in time, net/http takes it for a bad one.
func TestTheListenersDifferWhereTheFirstLineIsLate(t *testing.T) {
	t.Parallel()
	all := both(t, options{requestTime: 500 * time.Millisecond})
	check.Equal(t, all[0].say(t, "POST "), "400 .", "what the public listener says")
	check.Equal(t, all[1].say(t, "POST "), "nothing", "what the ingest listener says")
}

func TestBothListenersLetPagesOfOtherOriginsIn(t *testing.T) {
	t.Parallel()
	const origin = "Origin: https://pages.example"
	rows := []row{
		{name: "a visit", send: ask("POST", "/visit/a", origin)},
		{name: "a visit without an origin", send: ask("POST", "/visit/a")},
		{name: "a visit of another origin", send: ask("POST", "/visit/a", "Origin: https://other.example")},
		{name: "a bulk", send: send("POST", "/visits", "[]", origin)},
		{name: "a bulk of another origin", send: send("POST", "/visits", "[]", "Origin: https://other.example")},
		{name: "a key in lower case letters", send: ask("POST", "/visit/a", strings.ToLower(origin), "idempotency-key: a")},
		{name: "a preflight", send: ask("OPTIONS", "/visit/a", origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")},
		{name: "a preflight for another method", send: ask("OPTIONS", "/visit/a", origin, "Access-Control-Request-Method: DELETE")},
		{name: "a preflight of another origin", send: ask("OPTIONS", "/visit/a", "Origin: https://other.example", "Access-Control-Request-Method: POST")},
		{name: "a preflight of any path", send: ask("OPTIONS", "/nothing", origin, "Access-Control-Request-Method: POST")},
		{name: "OPTIONS that is none", send: ask("OPTIONS", "/visit/a", origin)},
		{name: "a refused id", send: ask("GET", "/api/verve/accept?id=x", origin)},
		{name: "an unknown route", send: ask("GET", "/nothing", origin)},
	}
	for _, allowed := range [][]string{{"https://pages.example"}, {"*"}} {
		all := both(t, options{change: func(o *counter.Options) { o.Origins = allowed }})
		for _, r := range rows {
			var answers [2]answer
			for i, l := range all {
				c := l.dial(t)
				check.Value(io.WriteString(c, r.send))(t)
				answers[i], _ = c.next(t, "POST")
			}
			if diff := cmp.Diff(answers[0], answers[1], cmp.AllowUnexported(answer{})); diff != "" || answers[0].status == 0 {
				t.Errorf("%s, %v (-public +ingest):\n%s", r.name, allowed, diff)
			}
		}
	}
}

// Both count the same requests, items and refusals under the same names.
func TestBothListenersCountAlike(t *testing.T) {
	t.Parallel()
	all := both(t, options{})
	for _, rows := range [][]row{names(), targets(), bulks(), fields(), framings()} {
		for _, r := range rows {
			if r.why != "" {
				continue
			}
			for _, l := range all {
				l.exchange(t, r, r.want)
			}
		}
	}
	var counted [2]string
	for i, l := range all {
		for _, family := range check.Value(l.metrics.Gather())(t) {
			for _, m := range family.GetMetric() {
				if family.GetType() == dto.MetricType_COUNTER && m.GetCounter().GetValue() > 0 {
					counted[i] += fmt.Sprintln(family.GetName(), m.GetLabel(), m.GetCounter().GetValue())
				}
			}
		}
	}
	if diff := cmp.Diff(counted[0], counted[1]); diff != "" || !strings.Contains(counted[0], "footfall_items_total") {
		t.Errorf("(-public +ingest):\n%s", diff)
	}
}

func TestBothListenersLogAlike(t *testing.T) {
	t.Parallel()
	all := both(t, options{level: slog.LevelDebug})
	const trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, l := range all {
		for _, request := range []string{
			ask("POST", "/visit/a", "X-Request-Id: mine", trace), ask("POST", "/visit/unknown", "x-request-id: other"),
			send("POST", "/visits", `[{"page_id":"unknown"},{"page_id":"a"}]`, "X-Request-Id: bulk"), ask("GET", "/api/verve/accept?id=1&endpoint=ftp://example.com/secret", "X-Request-Id: id"),
		} {
			c := l.dial(t)
			check.Value(io.WriteString(c, request))(t)
			check.Value(c.answers.Peek(1))(t)
		}
	}
	lines := func(l *listener) (kept []string) {
		for line := range strings.Lines(l.log.String()) {
			_, line, _ = strings.Cut(line, " ")
			line, _, _ = strings.Cut(line, " duration=")
			if strings.Contains(line, `msg="ingest connection"`) {
				continue
			}
			kept = append(kept, strings.TrimSpace(line))
		}
		return kept
	}
	public, own := lines(all[0]), lines(all[1])
	if diff := cmp.Diff(public, own); diff != "" || len(public) < 6 || !strings.Contains(strings.Join(public, "\n"), "trace_id=0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("%q (-public +ingest):\n%s", public, diff)
	}
}
