package nats_test

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// The authority, the certificate of the client and the name of the server are parameters
// of the URL. The files are read at each attempt to connect.
func TestTheFilesOfTLSAreReadAtEachConnection(t *testing.T) {
	t.Parallel()
	a, other := servers.NewAuthority(t), servers.NewAuthority(t)
	cert, key := a.Issue(t, "nats.internal")
	clientCert, clientKey := a.Issue(t, "footfall")
	s := servers.StartNATSWith(t, fmt.Sprintf("tls: {cert_file: %q, key_file: %q, ca_file: %q, verify: true}\n", cert, key, a.File),
		natsgo.Secure(&tls.Config{ServerName: "nats.internal", MinVersion: tls.VersionTLS12}), natsgo.RootCAs(a.File), natsgo.ClientCert(clientCert, clientKey))
	const subject = "counts.minutes"
	s.AddStream(t, subject, jetstream.StreamConfig{})
	base := "natss://" + s.Addr + "/" + subject
	query := func(values ...string) string {
		q := url.Values{}
		for i := 0; i < len(values); i += 2 {
			q.Set(values[i], values[i+1])
		}
		return base + "?" + q.Encode()
	}
	p, _ := started(t, base)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "certificate")
	p, _ = started(t, strings.Replace(base, "natss:", "nats:", 1)) // the server wants TLS, and has it
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "tls: failed to verify certificate")
	p, _ = started(t, query("ca", a.File))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "for 127.0.0.1")
	p, _ = started(t, query("ca", a.File, "server_name", "nats.internal"))
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "certificate")
	if text := err.Error(); !strings.Contains(text, "required") && !strings.Contains(text, "that it trusts") {
		t.Errorf("nothing says that the server wants a certificate: %s", text)
	}
	p, _ = started(t, query("ca", other.File, "server_name", "nats.internal", "cert", clientCert, "key", clientKey))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "unknown authority")
	check.Must(t, os.WriteFile(other.File, check.Value(os.ReadFile(a.File))(t), 0o600))
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, subject, 2)
}

// A URL that asks for TLS never logs in to a server without it.
func TestAServerWithoutTLSIsRefused(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, _ := started(t, strings.Replace(s.URL(s.Addr, subject), "nats:", "natss:", 1))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "begin TLS: the server has none")
}

func TestATokenLogsIn(t *testing.T) {
	t.Parallel()
	s := servers.StartNATSWith(t, "authorization: {token: secret-token}\n", natsgo.Token("secret-token"))
	const subject = "counts.minutes"
	s.AddStream(t, subject, jetstream.StreamConfig{})
	p, _ := started(t, "nats://secret-token@"+s.Addr+"/"+subject)
	sinktest.MustPublish(t, p, 1)
	wantReports(t, s, subject, 1)
	p, log := started(t, "nats://wrong-token@"+s.Addr+"/"+subject)
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "user, password or token is wrong")
	if strings.Contains(err.Error()+log.String(), "wrong-token") {
		t.Errorf("the token is in %v, or in\n%s", err, log)
	}
}
