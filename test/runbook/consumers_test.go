package runbook_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

func TestTheConsumersOfExamplesDropWhatIsRepeated(t *testing.T) {
	t.Parallel()
	eachLanguage(t, "queue-consumer", func(t *testing.T, command ...string) {
		broker := service.SharedBroker(t)
		queue := "examples_" + strings.ToLower(filepath.Base(t.Name()))
		p := &program{t: t, file: filepath.Join(t.TempDir(), "counts.ndjson")}
		p.args = slices.Concat(command, []string{queue, p.file})
		url := func(addr string) string { return "AMQP_URL=" + strings.TrimSuffix(broker.URL(addr, ""), "?queue=") }
		p.env = url(broker.Addr)
		p.start()
		p.says("connection ended", 1) // there is no queue yet
		in := service.NewDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s", "FOOTFALL_PUBLISHER="+broker.URL(broker.Addr, queue)).Start()
		for id := range 3 {
			service.Accept(t, in, id, "")
		}
		service.WaitFor(t, "the ids are in the counts of the service", func() bool {
			var all int64
			for _, n := range p.counts() {
				all += n
			}
			return all >= 3
		})
		in.Stop()

		message := func(n int) {
			id, text := body(n)
			broker.Publish(t, queue, amqp.Publishing{MessageId: id, Body: []byte(text)})
		}
		for range 2 {
			message(1)
		}
		p.says("repeated message dropped", 1)
		before := len(p.counts())
		id, text := body(2)
		for _, bad := range []amqp.Publishing{
			{MessageId: id, Body: []byte("[]")},
			{MessageId: "other", Body: []byte(text)},
			{Body: []byte(text)},
			{MessageId: id, Body: []byte(text + strings.Repeat(" ", 5000))},
			{MessageId: id, Body: []byte(strings.Repeat("[", 4000))},
		} {
			broker.Publish(t, queue, bad)
		}
		p.says("message rejected", 5)
		check.Equal(t, len(p.counts()), before, "counts after messages that were rejected")
		p.stop()

		// The connection to the broker loses what acknowledges the message, and the consumer is killed.
		proxy := servers.StartProxy(t, broker.Addr)
		held := proxy.HoldRequests("\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50") // a frame with basic.ack on channel 1
		p.env = url(proxy.Addr)
		p.start()
		p.says("consuming", 1)
		message(3)
		service.Await(t, "the consumer acknowledges", held)
		id, _ = body(3)
		check.Equal(t, p.counts()[id], 3, "the count at the time of its acknowledgement")
		p.kill()
		p.env = url(broker.Addr)
		p.start()
		p.says("id="+id+" redelivered=true", 1) // dropped, as the counts show below
		p.stop()

		fillCounts(t, p.file)
		p.start()
		p.says("consuming", 1)
		message(10_000)
		p.says("repeated message dropped", 1)
		message(10_001)
		p.says("counted", 1)
		p.stop()
		check.Equal(t, len(p.counts()), 10_002, "counts")
		check.Equal(t, len(broker.Messages(t, queue)), 0, "messages that were not acknowledged")
	})
}
