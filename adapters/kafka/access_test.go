package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"footfall/test/check"
	"footfall/test/kafkatest"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func TestEachMechanismLogsIn(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{SASL: true})
	for i, parameter := range []string{"", "?sasl=PLAIN", "?sasl=SCRAM-SHA-256", "?sasl=scram-sha-512"} {
		p, log := started(t, b.URL(topic)+parameter)
		check.Must(t, sinktest.Publish(t, p, i), "%q", parameter)
		kafkatest.Masked(t, log.String())
	}
	check.Equal(t, ids(t, b), "footfall_0 footfall_1 footfall_2 footfall_3", "the topic")
	p, _ := started(t, "kafka://"+b.Addr+"/"+topic)
	if err := sinktest.Publish(t, p, 4); err == nil {
		t.Error("it is published without a login")
	}
}

// There is no hot loop. No text has the password or the user's name. Kafka answers, and the
// fake broker closes the connection.
func TestAWrongPasswordIsOneClearError(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{SASL: true})
	wrong := strings.Replace(b.URL(topic), kafkatest.Password, "not-"+kafkatest.Password, 1)
	logins := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLHandshake}, TopLevel: true, Observe: true, Count: -1})
	fails := func(url, why string) {
		t.Helper()
		p, log := started(t, url)
		before := logins.Hits()
		err := sinktest.Publish(t, p, 1)
		sinktest.MustRefuse(t, err, why)
		sinktest.WaitFor(t, "several attempts", func() bool { return logins.Hits() >= before+6 })
		check.Equal(t, log.Lines("kafka is away", why), 1, "lines that say so")
		check.Equal(t, log.Lines(""), 1, "lines")
		kafkatest.Masked(t, err.Error()+log.String()+p.Away().Err.Error())
		sinktest.Stop(t, p)
	}
	for _, parameter := range []string{"", "?sasl=PLAIN", "?sasl=SCRAM-SHA-256"} {
		fails(wrong+parameter, "closed a new connection, as it does when user, password or mechanism is wrong")
	}
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, TopLevel: true, Err: kerr.SaslAuthenticationFailed, Count: -1})
	fails(wrong, "user or password is wrong")
	if n := logins.Hits(); n > 100 {
		t.Errorf("%d attempts to log in", n)
	}
}

// A user without a right is refused by name of the right, and nothing was taken.
func TestAMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	right := func(o kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: o, Allow: true}
	}
	for name, rights := range map[string][]kfake.ACL{
		"nothing": {right(kmsg.ACLOperationDelete)}, "describe only": {right(kmsg.ACLOperationDescribe)},
	} {
		b := broker(t, kafkatest.Options{SASL: true, Rights: rights})
		p, log := started(t, b.URL(topic))
		err := sinktest.Refusal(t, p)
		sinktest.MustRefuse(t, err, "permit the user")
		kafkatest.Masked(t, err.Error()+log.String())
		if n := len(b.Messages(t, topic)); n != 0 {
			t.Errorf("%s: %d records", name, n)
		}
	}
	b := broker(t, kafkatest.Options{SASL: true, Rights: []kfake.ACL{right(kmsg.ACLOperationWrite), right(kmsg.ACLOperationDescribe)}})
	p, _ := started(t, b.URL(topic))
	sinktest.Recovers(t, p, 1) // with the rights that are documented

	b = broker(t, kafkatest.Options{})
	end := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	p, _ = started(t, b.URL(topic))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "idempotent write")
	end.Remove()
	sinktest.Recovers(t, p, 2)
}

// The authority, the certificate of the client and the name of the server are parameters of
// the URL. The files are read at each connection.
func TestKafkasChecksTheCertificate(t *testing.T) {
	t.Parallel()
	a, other := servers.NewAuthority(t), servers.NewAuthority(t)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(check.Value(os.ReadFile(a.File))(t))
	cert, key := a.Issue(t, "footfall")
	b := broker(t, kafkatest.Options{
		SASL: true,
		TLS: &tls.Config{
			Certificates: []tls.Certificate{check.Value(tls.LoadX509KeyPair(a.Issue(t, "broker.internal")))(t)},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: trusted,
		},
		Trust: &tls.Config{RootCAs: trusted, ServerName: "broker.internal", Certificates: []tls.Certificate{check.Value(tls.LoadX509KeyPair(cert, key))(t)}},
	})
	base := strings.Replace(b.URL(topic), "kafka:", "kafkas:", 1)
	for url, why := range map[string]string{
		base:                   "certificate",
		base + "?ca=" + a.File: "for 127.0.0.1",
		base + "?server_name=broker.internal&ca=" + a.File: "certificate required",
		b.URL(topic): "",
	} {
		p, log := started(t, url)
		err := sinktest.Refusal(t, p)
		sinktest.MustRefuse(t, err, why)
		kafkatest.Masked(t, err.Error()+log.String())
	}
	p, _ := started(t, base+"?server_name=broker.internal&ca="+other.File+"&cert="+cert+"&key="+key)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "unknown authority")
	check.Must(t, os.WriteFile(other.File, check.Value(os.ReadFile(a.File))(t), 0o600))
	sinktest.Recovers(t, p, 2)
	check.Equal(t, ids(t, b), "footfall_2", "the topic")
}
