package httpcallback_test

import (
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// TestMain makes the certificate of httptest's servers (example.com,
// 127.0.0.1) one that the system trusts, and checks for leaked goroutines.
func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil)
	s.Close()
	folder, err := os.MkdirTemp("", "certificates")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(folder, "trusted.pem")
	err = errors.Join(
		os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600),
		os.Setenv("SSL_CERT_FILE", path), os.Setenv("SSL_CERT_DIR", folder))
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

func TestHTTPSEndpointsAreCalledByTheirName(t *testing.T) {
	seen := make(chan *http.Request, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.WriteHeader(http.StatusAccepted)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	r, _ := resolver(t, map[string]func(int) []netip.Addr{
		"example.com": always("127.0.0.1"), "other.org": always("127.0.0.1"),
	})
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{Resolver: r})
	for _, host := range []string{"example.com", "127.0.0.1"} {
		got := n.Notify(t.Context(), report(), publishing.Endpoint("https://"+host+":"+port+"/p"), 1)
		check.Equal(t, got.Status, http.StatusAccepted, "call of %s: %+v", host, got)
		if req := <-seen; req.ProtoMajor != 1 || req.Host != host+":"+port {
			t.Errorf("the request came by HTTP/%d for %s", req.ProtoMajor, req.Host)
		}
	}
	got := n.Notify(t.Context(), report(), publishing.Endpoint("https://other.org:"+port+"/p?key=SECRET"), 1)
	if got.Err == nil || !strings.Contains(got.Err.Error(), "certificate") || strings.Contains(got.Err.Error(), "SECRET") {
		t.Errorf("call under a name that the certificate doesn't have: %+v", got)
	}
}

// U21 of the list of failures.
func TestABrokenTLSHandshakeIsAnAttemptThatSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"speaks plain HTTP":  {say(ok), "tls: first record does not look like a TLS handshake"},
		"hangs up":           {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, "the connection was closed before an answer"},
		"hangs":              {hang, "no answer in time"},
		"sends an alert":     {say("\x15\x03\x03\x00\x02\x02\x28"), "remote error: tls: handshake failure"},
		"sends endless junk": {flood("", "\x16\x03\x03\x40\x00"+strings.Repeat("\x02", 16384), 1<<30), "local error: tls: unexpected message|tls: handshake message of length 131586 bytes exceeds maximum of 65536 bytes"},
	} {
		s := serve(t, "127.0.0.1:0", c.handle)
		n := notifier(t, "127.0.0.1/32", httpcallback.Options{Timeout: patience(name == "hangs")})
		e := publishing.Endpoint("https://" + s.Addr().String() + "/p?key=SECRET")
		checkFailure(t, name, n.Notify(t.Context(), report(), e, 1), c.want)
	}
}

func TestAnEndpointWithoutAPortIsCalledAtThatOfItsScheme(t *testing.T) {
	n := notifier(t, "127.0.0.99/32", httpcallback.Options{})
	for scheme, port := range map[string]string{"http": "80", "https": "443"} {
		if c, err := net.Dial("tcp", "127.0.0.99:"+port); err == nil {
			_ = c.Close()
			t.Skip("this machine has a web server")
		}
		got := n.Notify(t.Context(), report(), publishing.Endpoint(scheme+"://127.0.0.99/"), 1)
		checkFailure(t, scheme, got, "connect to 127.0.0.99:"+port+": connection refused")
	}
}
