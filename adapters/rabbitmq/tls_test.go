package rabbitmq_test

import (
	"crypto/tls"
	"crypto/x509"
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
	"footfall/test/sinktest"
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
	return terminateTLS(t, s, &tls.Config{Certificates: with.TLS.Certificates})
}

// terminateTLS terminates TLS in front of a server.
func terminateTLS(t *testing.T, s *servers.RabbitMQ, config *tls.Config) (port string) {
	t.Helper()
	l := check.Value(tls.Listen("tcp", "127.0.0.1:0", config))(t)
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
	sinktest.MustPublish(t, p, 1)
	if n := len(s.Messages(t, name)); n != 1 {
		t.Errorf("%d messages:\n%s", n, log)
	}
	p, _ = started(t, strings.Replace(url, "127.0.0.1", "localhost", 1))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "certificate")
}

// The authority, the certificate of the client and the name of the server are parameters
// of the URL. The files are read at each attempt to connect.
func TestTheFilesOfTLSAreReadAtEachConnection(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	a, other := servers.NewAuthority(t), servers.NewAuthority(t)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(check.Value(os.ReadFile(a.File))(t))
	config := &tls.Config{
		Certificates: []tls.Certificate{check.Value(tls.LoadX509KeyPair(a.Issue(t, "broker.internal")))(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: trusted,
	}
	base := strings.Replace(s.URL("127.0.0.1:"+terminateTLS(t, s, config), name), "amqp:", "amqps:", 1)
	p, _ := started(t, base+"&ca="+a.File)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "for 127.0.0.1")
	p, _ = started(t, base+"&server_name=broker.internal&ca="+a.File)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "certificate required")

	cert, key := a.Issue(t, "footfall")
	url := base + "&server_name=broker.internal&ca=" + other.File + "&cert=" + cert + "&key=" + key
	p, _ = started(t, url)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "unknown authority")
	check.Must(t, os.WriteFile(other.File, check.Value(os.ReadFile(a.File))(t), 0o600))
	sinktest.Recovers(t, p, 2)
	if n := len(s.Messages(t, name)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// With TLS, key is a file, and the routing key has another name.
func TestAnExchangeIsReachedByTLS(t *testing.T) {
	t.Parallel()
	s, name, bound := exchange(t)
	a := servers.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{check.Value(tls.LoadX509KeyPair(a.Issue(t, "127.0.0.1")))(t)}}
	cert, file := a.Issue(t, "footfall")
	url := strings.NewReplacer("amqp:", "amqps:", "&key=", "&routing_key=").Replace(s.ExchangeURL("127.0.0.1:"+terminateTLS(t, s, config), name, key))
	p, _ := started(t, url+"&ca="+a.File+"&cert="+cert+"&key="+file)
	sinktest.MustPublish(t, p, 1)
	wantReports(t, s, bound, "footfall_1")
	check.Equal(t, s.Messages(t, bound)[0].RoutingKey, key, "the routing key")
}
