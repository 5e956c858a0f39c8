package rabbitmq_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/rabbitmq"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// confirmMethod begins the frame by which a broker confirms on channel 1:
// basic.ack (AMQP 0-9-1, 4.2.3 and 60.80).
const confirmMethod = "\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"

// broker is one server for all tests: a start takes seconds.
var broker struct {
	once   sync.Once
	server *servers.RabbitMQ
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if broker.server != nil {
		broker.server.Close()
	}
	os.Exit(code)
}

func server(t *testing.T) *servers.RabbitMQ {
	t.Helper()
	broker.once.Do(func() { broker.server, broker.err = servers.RunRabbitMQ() })
	check.Must(t, broker.err)
	return broker.server
}

// queue returns a name that no other test has.
func queue(t *testing.T) string {
	return fmt.Sprint(strings.ReplaceAll(t.Name(), "/", "."), ".", time.Now().UnixNano())
}

func started(t *testing.T, url string) (*rabbitmq.Publisher, *check.Log) {
	t.Helper()
	return sinktest.Start(t, rabbitmq.ParseURL, rabbitmq.New, url)
}

// reports are all that ever arrived in a queue, in order.
func reports(t *testing.T, s *servers.RabbitMQ, queue string) (all []publishing.Report) {
	t.Helper()
	for _, m := range s.Messages(t, queue) {
		all = append(all, sinktest.Decode(t, m.Body))
	}
	return all
}

func wantReports(t *testing.T, s *servers.RabbitMQ, queue string, want ...string) {
	t.Helper()
	sinktest.WantIDs(t, reports(t, s, queue), want...)
}

// sinkOf is the adapter with a broker, and a queue where reports to a URL arrive.
func sinkOf(server *servers.RabbitMQ, queue string, url func(addr string) string) sinktest.Sink {
	s := sinktest.Of("rabbitmq", rabbitmq.ParseURL, rabbitmq.New)
	s.Addr, s.Taken, s.URL = server.Addr, confirmMethod, url
	s.Read = func(t *testing.T) []publishing.Report {
		sinktest.WaitFor(t, "the queue is declared", func() bool { return server.HasQueue(t, queue) })
		return reports(t, server, queue)
	}
	return s
}

// sink is the adapter with a queue of its own.
func sink(t *testing.T) sinktest.Sink {
	t.Helper()
	server, name := server(t), queue(t)
	return sinkOf(server, name, func(addr string) string { return server.URL(addr, name) })
}
