package rabbitmq_test

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/servers"
	"footfall/test/sinktest"
)

// F26: a user without the right to configure publishes to a queue that is there.
func TestF26AUserWithoutTheRightToConfigurePublishes(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	url := s.AddUser(t, s.URL(s.Addr, name), "writer", "^$", "^amq\\.default$", "^$")
	p, log := started(t, url)
	// There is no queue yet: the refusal says what was tried, and what to do.
	err := sinktest.Refusal(t, p)
	for _, part := range []string{
		"declare queue", "ACCESS_REFUSED", "user '***'", "look for it", "NOT_FOUND", "declare the queue, or permit the user to configure it",
	} {
		sinktest.MustRefuse(t, err, part)
	}
	sinktest.OnceInTheLog(t, log, "ACCESS_REFUSED")
	if text := err.Error() + log.String(); strings.Contains(text, "'writer'") {
		t.Error("the user's name is in", text)
	}
	s.DeclareQueue(t, name, amqp.Table{"x-queue-type": "quorum"})
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, name, "footfall_2")
	if !strings.Contains(log.String(), "not_declared") {
		t.Errorf("nothing says that the queue is used as it is:\n%s", log)
	}
}

// F26: a sibling. A user that may not write is refused by name of the right, and the
// report was not taken.
func TestF26AUserWithoutTheRightToWriteIsRefused(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	p, log := started(t, s.AddUser(t, s.URL(s.Addr, name), "reader", ".*", "^$", ".*"))
	err := sinktest.Refusal(t, p)
	for _, part := range []string{"ACCESS_REFUSED", "amq.default", "permit the user to write to the default exchange"} {
		sinktest.MustRefuse(t, err, part)
	}
	if text := err.Error() + log.String(); strings.Contains(text, "'reader'") {
		t.Error("the user's name is in", text)
	}
	if n := len(s.Messages(t, name)); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// F27: a queue that its owner declared in any other way is used as it is.
func TestF27AQueueWithAnyArgumentsIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	s := server(t)
	for what, args := range map[string]amqp.Table{
		"dead letters": {"x-queue-type": "quorum", "x-dead-letter-exchange": "dead", "x-message-ttl": int32(86_400_000)},
		"no arguments": nil, // of type classic, as consumers declare it without thinking
		"stream":       {"x-queue-type": "stream"},
	} {
		name := queue(t)
		s.DeclareQueue(t, name, args)
		p, log := started(t, s.URL(s.Addr, name))
		sinktest.MustPublish(t, p, 1)
		if what != "stream" && len(s.Messages(t, name)) != 1 { // streams are read in another way
			t.Errorf("%s: the queue has %v", what, s.Messages(t, name))
		}
		if !strings.Contains(log.String(), "inequivalent arg") {
			t.Errorf("%s: nothing says that the queue has other arguments:\n%s", what, log)
		}
	}
}

// F27: the declaration of a consumer that comes first is kept, also when the link is
// lost, and when it is not durable.
func TestF27ALostLinkFindsTheQueueAgain(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	s.DeclareTransientQueue(t, name)
	proxy := servers.StartProxy(t, s.Addr)
	p, log := started(t, s.URL(proxy.Addr, name))
	sinktest.MustPublish(t, p, 1)
	proxy.Refuse()
	sinktest.WaitFor(t, "the loss is noticed", func() bool { return strings.Contains(log.String(), "rabbitmq is away") })
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, name, "footfall_1", "footfall_2")
}
