package rabbitmq_test

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/adapters/rabbitmq"
	"footfall/test/check"
	"footfall/test/sinktest"
)

// The message has what is documented, and nothing else.
func TestTheMessageIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	p, _ := started(t, s.URL(s.Addr, name))
	began := time.Now().Truncate(time.Second)
	sinktest.MustPublish(t, p, 5)
	all := s.Messages(t, name)
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	m := all[0]
	if m.MessageId != "footfall_5" || m.Type != "footfall.unique_ids.v1" || m.AppId != "footfall" || m.ContentType != "application/json" ||
		m.DeliveryMode != amqp.Persistent || m.Exchange != "" || m.RoutingKey != name ||
		m.Timestamp.Before(began) || m.Timestamp.After(time.Now()) {
		t.Errorf("%+v", m)
	}
	const body = `{"id":"footfall_5","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":5}`
	check.Equal(t, string(m.Body), body, "the body")
}

// The type of the queue is that of the URL; a declaration with another one
// fails, and that is how this test can tell.
func TestTheQueueIsOfTheTypeInTheURL(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, kind := range []string{"quorum", "classic"} {
		name := queue(t)
		url := s.URL(s.Addr, name)
		if kind == "classic" {
			url += "&type=classic"
		}
		p, _ := started(t, url)
		sinktest.MustPublish(t, p, 1)
		s.DeclareQueue(t, name, amqp.Table{"x-queue-type": kind})
	}
}

// A queue that another program declared without a type fits type=classic.
func TestAQueueWithoutANamedTypeIsClassic(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	s.DeclareQueue(t, name, nil)
	p, _ := started(t, s.URL(s.Addr, name)+"&type=classic")
	sinktest.MustPublish(t, p, 1)
}

// U5 of the list of failures: a report that no queue accepts is refused, and the
// queue is declared again for the next report.
func TestAReportThatNoQueueAcceptsIsRefused(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	p, _ := started(t, s.URL(s.Addr, name))
	sinktest.MustPublish(t, p, 1)
	s.DeleteQueue(t, name)
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "NO_ROUTE")
	sinktest.MustPublish(t, p, 3)
	if all := s.Messages(t, name); len(all) != 1 || all[0].MessageId != "footfall_3" {
		t.Errorf("the queue has %v", all)
	}
}

// There is no hot loop. No text has the password or the user's name.
func TestAWrongPasswordIsOneClearError(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	url := strings.Replace(s.URL(s.Addr, name), s.Secret(), "not-the-password", 1)
	p, log := started(t, url)
	before := s.Logins()
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "user or password is wrong")
	sinktest.WaitFor(t, "several attempts", func() bool { return s.Logins() >= before+3 })
	if n := s.Logins() - before; n > 12 {
		t.Errorf("%d attempts to log in", n)
	}
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "user or password is wrong")
	sinktest.OnceInTheLog(t, log, "user or password is wrong")
	for _, secret := range []string{"not-the-password", check.Value(rabbitmq.ParseURL(url))(t).User} {
		if strings.Contains(log.String()+err.Error(), secret) {
			t.Errorf("%s is in %v or in\n%s", secret, err, log)
		}
	}
}

// The broker's refusal of another user's vhost names the user.
func TestABrokersRefusalNamesNoUser(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	s.AddVHost(t, "private")
	url := strings.Replace(s.URL(s.Addr, name), "/?", "/private?", 1)
	p, log := started(t, url)
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "access to vhost 'private' refused for user '***'")
	if strings.Contains(err.Error()+log.String(), check.Value(rabbitmq.ParseURL(url))(t).User) {
		t.Error(err, log)
	}
}

func TestPublisherIsAPublisher(t *testing.T) {
	t.Parallel()
	sinktest.Conformance(t, sink)
}
