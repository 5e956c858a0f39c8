package rabbitmq_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/servers"
)

// startTLS terminates TLS in front of a server. Its certificate is valid for
// 127.0.0.1, and this process trusts it.
func startTLS(t *testing.T, s *servers.RabbitMQ) (port string) {
	t.Helper()
	with := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(with.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	check.Must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: with.Certificate().Raw}), 0o600))
	t.Setenv("SSL_CERT_FILE", file)
	l := check.Value(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: with.TLS.Certificates}))(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				broker, err := net.Dial("tcp", s.Addr)
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(broker, client); broker.Close() }()
				_, _ = io.Copy(client, broker)
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestAMQPSChecksTheCertificate(t *testing.T) {
	s, name := server(t), queue(t)
	port := startTLS(t, s)
	url := strings.Replace(s.URL("127.0.0.1:"+port, name), "amqp:", "amqps:", 1)
	p, log := started(t, url)
	mustPublish(t, p, 1)
	if n := len(s.Messages(t, name)); n != 1 {
		t.Errorf("%d messages:\n%s", n, log)
	}
	p, _ = started(t, strings.Replace(url, "127.0.0.1", "localhost", 1))
	mustRefuse(t, refusal(t, p), "certificate")
}
