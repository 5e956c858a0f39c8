package process_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// tunnels is a proxy at a listener, which wants a user and a password for every connection
// but the first two: it hangs up on one, and wants others of the next. All addresses lead to a server.
type tunnels struct {
	net.Listener
	to    string
	mu    sync.Mutex
	heard []*http.Request
}

func (p *tunnels) serve() {
	for nth := 1; ; nth++ {
		c, err := p.Accept()
		if err != nil {
			return
		}
		go p.handle(c, nth)
	}
}

func (p *tunnels) handle(c net.Conn, nth int) {
	defer c.Close()
	from := bufio.NewReader(c)
	req, err := http.ReadRequest(from)
	if err != nil || nth == 1 {
		return
	}
	p.mu.Lock()
	p.heard = append(p.heard, req)
	p.mu.Unlock()
	if nth == 2 {
		_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(far, from) }()
	_, _ = io.Copy(c, far)
}

// P8: callbacks to public addresses go through the proxy, which gets the address that was
// checked. What it does wrong is tried again, and its password is in no log.
func TestP8CallbacksGoThroughTheProxy(t *testing.T) {
	t.Parallel()
	endpoint := service.NewEndpoint(t)
	p := &tunnels{Listener: check.Value(net.Listen("tcp", "127.0.0.1:0"))(t), to: endpoint.Listener.Addr().String()}
	t.Cleanup(func() { _ = p.Close() })
	go p.serve()
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=10s", "FOOTFALL_GRACE=100ms", "FOOTFALL_LOG_LEVEL=debug",
		"FOOTFALL_CALLBACK_PROXY=http://operator:SECRET%40@"+p.Addr().String(), "HTTP_PROXY=http://127.0.0.1:1")
	in := d.Start()
	// No address below 2d00::/8 is assigned.
	const address = "[2d00::1]:8080"
	const url = "http://" + address + "/hook"
	service.Accept(t, in, 1, url)
	in.Get(service.AcceptPath("2", "http://10.0.0.1:8080/")).Want(t, http.StatusBadRequest)
	service.WaitFor(t, "the endpoint has the count", func() bool { return len(endpoint.Got()) > 0 })
	service.WaitFor(t, "the log has all attempts", func() bool { return len(d.AttemptsAt(url)) == 3 })
	text := string(check.Value(os.ReadFile(d.CaptureLog()))(t))
	for _, part := range []string{
		`"attempt":1,"status":0`, `"error":"the proxy: the connection was closed before an answer"`,
		`"attempt":2,"status":0`, `"error":"the proxy: it wants another user and password (407)"`, `"attempt":3,"status":200`,
	} {
		check.Equal(t, strings.Contains(text, part), true, "the capture log has %s:\n%s", part, text)
	}
	check.Equal(t, endpoint.Got()[0].Count, "1", "the count")
	p.mu.Lock()
	defer p.mu.Unlock()
	check.Equal(t, len(p.heard), 2, "requests that the proxy has read")
	for _, req := range p.heard {
		check.Equal(t, req.Method+" "+req.RequestURI, "CONNECT "+address, "what the proxy was asked for")
		name, password, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
		check.Equal(t, name+" "+password, "operator SECRET@", "user and password")
	}
	for what, text := range map[string]string{"the log": in.Logged(), "the capture log": text, "metrics": in.Metrics()} {
		if strings.Contains(text, "SECRET") || strings.Contains(text, "operator:") {
			t.Errorf("%s has the password of the proxy:\n%s", what, text)
		}
	}
}
