package rabbitmq_test

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

const key = "counts.minute"

// exchange returns an exchange of the type topic, and a queue that is bound to it.
func exchange(t *testing.T) (s *servers.RabbitMQ, name, bound string) {
	t.Helper()
	s, name = server(t), queue(t)
	bound = name + ".bound"
	s.DeclareExchange(t, name, "topic", false)
	s.DeclareQueue(t, bound, amqp.Table{"x-queue-type": "quorum"})
	s.Bind(t, bound, name, "counts.*")
	return s, name, bound
}

// The message goes to all queues that are bound for its key, and to no queue of its name.
func TestAnExchangeRoutesByTheKeyOfTheURL(t *testing.T) {
	t.Parallel()
	s, name, bound := exchange(t)
	s.DeclareQueue(t, name+".all", nil)
	s.Bind(t, name+".all", name, "#")
	s.DeclareQueue(t, name+".other", nil)
	s.Bind(t, name+".other", name, "other")
	p, log := started(t, s.ExchangeURL(s.Addr, name, key))
	sinktest.MustPublish(t, p, 5)
	for _, queue := range []string{bound, name + ".all"} {
		wantReports(t, s, queue, "footfall_5")
		m := s.Messages(t, queue)[0]
		if m.Exchange != name || m.RoutingKey != key || m.DeliveryMode != amqp.Persistent || m.Type != "footfall.unique_ids.v1" {
			t.Errorf("%+v", m)
		}
	}
	check.Equal(t, len(s.Messages(t, name+".other")), 0, "messages with another key")
	check.Equal(t, s.HasQueue(t, key), false, "a queue that is named as the key is there")
	check.Equal(t, log.Lines("rabbitmq is connected", "exchange="+name, "key="+key), 1, "lines that name it")
}

// A report that no queue is bound for is refused, and the first one after a binding is taken.
func TestAReportThatAnExchangeCannotRouteIsRefused(t *testing.T) {
	t.Parallel()
	s, name, bound := exchange(t)
	p, _ := started(t, s.ExchangeURL(s.Addr, name, "elsewhere"))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "no queue accepts it: NO_ROUTE")
	s.Bind(t, bound, name, "elsewhere")
	sinktest.MustPublish(t, p, 2)
	wantReports(t, s, bound, "footfall_2")
}

// An exchange is never declared. One that is missing, from the start or later, is a clear
// refusal, which is shown for as long as it lasts.
func TestAMissingExchangeIsRefused(t *testing.T) {
	t.Parallel()
	s, name, bound := exchange(t)
	p, log := started(t, s.ExchangeURL(s.Addr, name, key))
	sinktest.MustPublish(t, p, 1)
	s.DeleteExchange(t, name)
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "NOT_FOUND", "no exchange '"+name+"'")
	why := "look for exchange \"" + name + "\": "
	sinktest.WaitFor(t, "it is missed", func() bool {
		away := p.Away()
		return away != nil && strings.Contains(away.Err.Error(), why)
	})
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 3), why, "NOT_FOUND", "declare the exchange")
	other, _ := started(t, s.ExchangeURL(s.Addr, name, key))
	sinktest.MustRefuse(t, sinktest.Refusal(t, other), why)

	s.DeclareExchange(t, name, "fanout", false)
	s.Bind(t, bound, name, "")
	sinktest.Recovers(t, p, 4)
	wantReports(t, s, bound, "footfall_1", "footfall_4")
	check.Equal(t, log.Lines("rabbitmq is away", "look for exchange"), 1, "lines of the log")
}

// The right to write to the exchange is all that a user needs.
func TestAUserOfAnExchangeNeedsNothingButToWrite(t *testing.T) {
	t.Parallel()
	s, name, bound := exchange(t)
	pattern := "^" + strings.ReplaceAll(name, ".", "\\.") + "$"
	url := s.AddUser(t, s.ExchangeURL(s.Addr, name, key), "exchange-writer", "^$", pattern, "^$")
	p, _ := started(t, url)
	sinktest.MustPublish(t, p, 1)
	wantReports(t, s, bound, "footfall_1")

	url = s.AddUser(t, s.ExchangeURL(s.Addr, name, key), "exchange-reader", ".*", "^$", ".*")
	p, log := started(t, url)
	err := sinktest.Refusal(t, p)
	sinktest.MustRefuse(t, err, "ACCESS_REFUSED", "permit the user to write to "+name)
	if text := err.Error() + log.String(); strings.Contains(text, "exchange-reader") {
		t.Error("the user's name is in", text)
	}

	s.DeclareExchange(t, name+".internal", "topic", true)
	p, _ = started(t, s.ExchangeURL(s.Addr, name+".internal", key))
	sinktest.MustRefuse(t, sinktest.Refusal(t, p), "ACCESS_REFUSED", "no client may write to "+name+".internal")
	wantReports(t, s, bound, "footfall_1")
}

func TestAPublisherToAnExchangeIsAPublisher(t *testing.T) {
	t.Parallel()
	sinktest.Conformance(t, func(t *testing.T) sinktest.Sink {
		s, name, bound := exchange(t)
		return sinkOf(s, bound, func(addr string) string { return s.ExchangeURL(addr, name, key) })
	})
}
