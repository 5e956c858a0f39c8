package httpcallback_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// Addresses that count as public, of a range that is not assigned (2d00::/8), so that nothing
// is reached if they are called directly.
const elsewhere, elsewhere2 = "2d00::1", "2d00::2"

const ok204 = "HTTP/1.1 204 No Content\r\n\r\n"

// connectProxy is a proxy that takes CONNECT. It knows where addresses are, and refuses
// others with 503.
type connectProxy struct {
	*server
	mu     sync.Mutex
	known  map[string]string // address to address
	heard  []*http.Request
	answer string // of a CONNECT that is granted
}

func startProxy(t *testing.T, secure *tls.Config) *connectProxy {
	t.Helper()
	p := &connectProxy{known: make(map[string]string), answer: "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"}
	p.server = serve(t, "127.0.0.1:0", func(c net.Conn) {
		if secure != nil {
			c = tls.Server(c, secure)
		}
		p.handle(c)
	})
	return p
}

func (p *connectProxy) handle(c net.Conn) {
	from := bufio.NewReader(c)
	req, err := http.ReadRequest(from)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.heard = append(p.heard, req)
	to, known := p.known[req.RequestURI]
	p.mu.Unlock()
	if !known {
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = io.WriteString(c, p.answer)
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(c, far); _ = c.Close() })
	_, _ = io.Copy(far, from)
	_ = far.Close()
	back.Wait()
}

// leads makes an address with a port lead to a server.
func (p *connectProxy) leads(address string, to net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[address] = to.String()
}

// asked are the addresses that the proxy was asked for.
func (p *connectProxy) asked() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.heard {
		all = append(all, r.Method+" "+r.RequestURI)
	}
	return all
}

// through are options with the proxy at an address.
func through(t *testing.T, scheme, address string, r *net.Resolver) httpcallback.Options {
	t.Helper()
	return httpcallback.Options{Resolver: r, Proxy: check.Value(httpcallback.ParseProxy(scheme + "://us%20er:SECRET%3A%40@" + address))(t)}
}

// tlsConfig is that of httptest's servers, whose certificate is trusted here.
func tlsConfig(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

func TestEndpointsAreCalledThroughAProxy(t *testing.T) {
	r, names := resolver(t, map[string]func(int) []netip.Addr{"example.com": always(elsewhere), "other.org": always(elsewhere)})
	for _, scheme := range []string{"http", "https"} {
		var secure *tls.Config
		if scheme == "https" {
			secure = tlsConfig(t)
		}
		p := startProxy(t, secure)
		seen := make(chan *http.Request, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			seen <- req
			w.WriteHeader(http.StatusNoContent)
		})
		plain, private := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
		private.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		private.StartTLS()
		p.leads("["+elsewhere+"]:80", plain.Listener.Addr())
		p.leads("["+elsewhere+"]:8443", private.Listener.Addr())
		n := notifier(t, "public", through(t, scheme, p.Addr().String(), r))
		before := names.queries.Load()
		for _, e := range []publishing.Endpoint{"http://example.com/p?a=1", "http://[" + elsewhere + "]/p?a=1", "https://example.com:8443/p?a=1"} {
			got := n.Notify(t.Context(), report(), e, 1)
			check.Equal(t, fmt.Sprint(got.Outcome, got.Status, got.Err), "delivered204 <nil>", "the call of %s", e)
			req := <-seen
			_, at, _ := strings.Cut(string(e), "//")
			check.Equal(t, req.Host+req.RequestURI, at+"&count=123", "the request for %s", e)
			check.Equal(t, req.Header.Get("Proxy-Authorization"), "", "what the endpoint knows of the proxy")
		}
		if n := names.queries.Load() - before; n == 0 || n > 4 { // of both kinds
			t.Errorf("the names were looked up %d times", n)
		}
		// The certificate is that of the name, not of the address that the proxy gets.
		got := n.Notify(t.Context(), report(), "https://other.org:8443/p?key=SECRET", 1)
		if got.Err == nil || !strings.Contains(got.Err.Error(), "certificate") || strings.Contains(got.Err.Error(), "SECRET") || !got.HostFailed {
			t.Errorf("%s: the call under a name that the certificate doesn't have: %+v", scheme, got)
		}
		const one, other = "CONNECT [" + elsewhere + "]:80", "CONNECT [" + elsewhere + "]:8443"
		check.Equal(t, fmt.Sprint(p.asked()), fmt.Sprint([]string{one, one, other, other}), "what the proxy was asked for")
		for _, req := range p.heard {
			name, password, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
			check.Equal(t, name+" "+password+" "+req.Host, "us er SECRET:@ "+req.RequestURI, "user, password and host")
			check.Equal(t, req.Header.Get("User-Agent"), "footfall", "the user agent")
		}
		plain.Close()
		private.Close()
	}
}

// P8: a target that is refused is not named to a proxy, by any spelling or trick with names.
func TestP8NoForbiddenAddressIsNamedToAProxy(t *testing.T) {
	p := startProxy(t, nil)
	answers := map[string]func(int) []netip.Addr{
		"mixed.example.com": always("10.0.0.1", "::1", elsewhere),
		// The first answer is called, and there is no second look-up.
		"rebound.example.com": func(nth int) []netip.Addr {
			return always([]string{elsewhere2, "127.0.0.1"}[min(nth, 1)])(nth)
		},
	}
	for i, a := range hostile {
		answers[fmt.Sprintf("a%d.example.com", i)] = always(a)
	}
	r, _ := resolver(t, answers)
	n := notifier(t, "public", through(t, "http", p.Addr().String(), r))
	for i, a := range hostile {
		for _, host := range []string{net.JoinHostPort(a, "8080"), fmt.Sprintf("a%d.example.com:8080", i)} {
			got := n.Notify(t.Context(), report(), publishing.Endpoint("http://"+host+"/"), 1)
			if !errors.Is(got.Err, publishing.ErrForbidden) || got.Outcome != publishing.Refused || !strings.HasPrefix(got.Err.Error(), "forbidden endpoint: the address ") {
				t.Errorf("call of %s (%s): %+v", host, a, got)
			}
		}
	}
	got := n.Notify(t.Context(), report(), "http://mixed.example.com:25/", 1)
	check.Is(t, got.Err, publishing.ErrForbidden, "the call of a forbidden port")
	check.Equal(t, p.connections(t), 0, "the connections to the proxy")
	for _, name := range []string{"mixed", "rebound"} {
		n.Notify(t.Context(), report(), publishing.Endpoint("http://"+name+".example.com:8080/"), 1)
	}
	check.Equal(t, fmt.Sprint(p.asked()), "[CONNECT ["+elsewhere+"]:8080 CONNECT ["+elsewhere2+"]:8080]", "what the proxy was asked for")
}

// An internal address that a CIDR opens is called directly: proxies lead outside.
func TestInternalAddressesAreCalledWithoutTheProxy(t *testing.T) {
	p := startProxy(t, nil)
	s := serve(t, "127.0.0.1:0", say(ok204))
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"in.example.com": always("127.0.0.1"), "out.example.com": always(elsewhere)})
	n := notifier(t, "public,127.0.0.0/8,2d00::/16", through(t, "http", p.Addr().String(), r))
	for _, host := range []string{"127.0.0.1", "in.example.com"} {
		got := n.Notify(t.Context(), report(), publishing.Endpoint("http://"+host+":"+s.port()+"/"), 1)
		check.Equal(t, got.Status, 204, "the call of %s: %+v", host, got)
	}
	check.Equal(t, p.connections(t), 0, "the connections to the proxy")
	p.leads("["+elsewhere+"]:8080", s.Addr())
	got := n.Notify(t.Context(), report(), "http://out.example.com:8080/", 1)
	check.Equal(t, got.Status, 204, "the call of a public address that a CIDR opens: %+v", got)
	check.Equal(t, len(p.asked()), 1, "the requests to the proxy")
}

// closedPort is the address of nothing.
func closedPort(t *testing.T) string {
	t.Helper()
	l := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return l.Addr().String()
}

// What a proxy does wrong is a failed attempt that says so, with no part of its user and
// password. Hosts and endpoints get the blame only if it may be theirs.
func TestAFaultOfAProxyIsAFailedAttempt(t *testing.T) {
	status := func(line string) func(net.Conn) {
		return say("HTTP/1.1 " + line + "\r\nContent-Length: 6\r\n\r\nSECRET")
	}
	for _, c := range []struct {
		name, scheme string
		handle       func(net.Conn) // nil: it is away
		want         string
		hostFailed   bool
	}{
		{"away", "http", nil, "the proxy: connect: connection refused", false},
		{"hangs", "http", hang, "the proxy: no answer in time", true},
		{"hangs in TLS", "https", hang, "the proxy: no answer in time", false},
		{"wants others", "http", status("407 Proxy Authentication Required"), "the proxy: it wants another user and password (407)", false},
		{"refuses", "http", status("403 SECRET"), "the proxy: it refuses CONNECT (403)", false},
		{"redirects", "http", status("302 Found\r\nLocation: http://127.0.0.1/"), "the proxy: it refuses CONNECT (302)", false},
		{"switches", "http", status("101 Switching Protocols"), "the proxy: it refuses CONNECT (101)", false},
		{"can't reach it", "http", status("503 Service Unavailable"), "the proxy: it has no connection to the address [" + elsewhere + "]:8080 (503)", true},
		{"can't reach it and is to blame", "http", status("500 Unable to connect"), "the proxy: it has no connection to the address [" + elsewhere + "]:8080 (500)", true},
		{"knows no CONNECT", "http", status("501 Not Implemented"), "the proxy: it refuses CONNECT (501)", false},
		{"is a gateway", "http", status("502 Bad Gateway"), "the proxy: it has no connection to the address [" + elsewhere + "]:8080 (502)", true},
		{"hangs up", "http", say(""), "the proxy: the connection was closed before an answer", false},
		{"says junk", "http", say("SECRET\r\n\r\n"), "the proxy: the answer is not HTTP", false},
		{"says too much", "http", say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), "the proxy: it has sent more than an answer", false},
		{"floods", "http", flood("HTTP/1.1 200 OK\r\n", "X: SECRET\r\n", 1<<20), "the proxy: the answer is not HTTP", false},
		{"floods interim answers", "http", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n", 1<<20), "the proxy: the answer is not HTTP", false},
		{"has no TLS", "https", say("HTTP/1.1 200 OK\r\n\r\n"), "the proxy: tls: first record does not look like a TLS handshake", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := closedPort(t)
			if c.handle != nil {
				address = serve(t, "127.0.0.1:0", c.handle).Addr().String()
			}
			o := through(t, c.scheme, address, nil)
			o.Timeout = patience(strings.HasPrefix(c.name, "hangs") && c.name != "hangs up")
			at := time.Now()
			o.Now = func() time.Time { return at }
			n := notifier(t, "public", o)
			for range 12 {
				got := n.Notify(t.Context(), report(), "http://["+elsewhere+"]:8080/p?key=SECRET", 1)
				if got.Outcome == publishing.Paused {
					check.Equal(t, c.hostFailed, true, "what is paused may be to blame")
					return
				}
				checkFailure(t, c.name, got, c.want)
				check.Equal(t, fmt.Sprint(got.Outcome, got.HostFailed, got.Unsent), fmt.Sprint(publishing.Failed, c.hostFailed, false), "the attempt")
				at = at.Add(publishing.PauseAfter / 4)
			}
			check.Equal(t, c.hostFailed, false, "what failed for long and is not paused is to blame")
		})
	}
	_, port, _ := net.SplitHostPort(startProxy(t, tlsConfig(t)).Addr().String())
	other := notifier(t, "public", through(t, "https", "localhost:"+port, nil))
	got := other.Notify(t.Context(), report(), "http://["+elsewhere+"]:8080/", 1)
	if got.Err == nil || !strings.HasPrefix(got.Err.Error(), "the proxy: tls: failed to verify certificate") || got.HostFailed {
		t.Errorf("a proxy with the certificate of another: %+v", got)
	}
	n := notifier(t, "public", httpcallback.Options{Proxy: check.Value(httpcallback.ParseProxy("http://no-such-proxy.invalid:3128"))(t), Resolver: func() *net.Resolver {
		r, _ := resolver(t, nil)
		return r
	}()})
	checkFailure(t, "unknown", n.Notify(t.Context(), report(), "http://["+elsewhere+"]:8080/", 1), "the proxy: host not found")
}

// The next address of a name is tried if the proxy has no connection to one, and the call is
// made when the proxy is back.
func TestAnAddressThatAProxyDoesNotReachIsNotTheLast(t *testing.T) {
	p := startProxy(t, nil)
	s := serve(t, "127.0.0.1:0", say(ok204))
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"example.com": always(elsewhere, elsewhere2)})
	n := notifier(t, "public", through(t, "http", p.Addr().String(), r))
	got := n.Notify(t.Context(), report(), "http://example.com:8080/", 1)
	check.Equal(t, got.Outcome, publishing.Failed, "the call that leads nowhere")
	check.Equal(t, len(p.asked()), 2, "the addresses of it")
	last := strings.TrimPrefix(p.asked()[1], "CONNECT ")
	p.leads(last, s.Addr())
	got = n.Notify(t.Context(), report(), "http://example.com:8080/", 2)
	check.Equal(t, got.Status, 204, "the call of the second address: %+v", got)
	check.Equal(t, s.connections(t), 1, "the connections to the endpoint")
}

// P7: a name with many addresses takes few connections of the proxy.
func TestP7ManyAddressesOfANameAreBounded(t *testing.T) {
	p := startProxy(t, nil)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("2d00::1:%x", i))
	}
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"example.com": always(all...)})
	n := notifier(t, "public", through(t, "http", p.Addr().String(), r))
	n.Notify(t.Context(), report(), "http://example.com:8080/", 1)
	if got := len(slices.Compact(p.asked())); got != 4 {
		t.Errorf("the proxy was asked for %d addresses of a name, want 4", got)
	}
}

func TestParseProxy(t *testing.T) {
	for _, text := range []string{"", "http://proxy", "https://proxy:3128/", "http://user@10.0.0.1:3128", "http://u:p%40@[::1]:3128"} {
		p, err := httpcallback.ParseProxy(text)
		check.OK(t, err, "%s", text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			check.Equal(t, fmt.Sprintf(verb, p), "proxy", "%s of %s", verb, text)
		}
	}
	for text, want := range map[string]string{
		"proxy:3128":                       "want http://",
		"socks5://SECRET@proxy":            "want http://",
		"http://":                          "want http://",
		"http://:3128":                     "want http://",
		"http://user:SEC RET@proxy":        "want http://",
		"http://user:SECRET%zz@proxy":      "want http://",
		"http://user:SECRET@proxy:port":    "want http://",
		"http://user:SECRET@proxy:0":       "no number from 1",
		"http://user:SECRET@proxy:65536":   "no number from 1",
		"http://user:SECRET@proxy/path":    "it has a path",
		"http://user:SECRET@proxy?":        "it has a path",
		"http://user:SECRET@proxy#a":       "it has a path",
		"http://us%3Aer:SECRET@proxy:3128": "a colon",
	} {
		_, err := httpcallback.ParseProxy(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
