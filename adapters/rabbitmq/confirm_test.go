package rabbitmq_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// A broker that closes the channel right after a confirm has the report, so that
// the report is not refused. Which of the two is seen first is random, so there
// are several tries.
func TestAConfirmCountsIfTheChannelEndsRightAfterIt(t *testing.T) {
	t.Parallel()
	// channel.close on channel 1 (AMQP 0-9-1, 4.2.3 and 20.40).
	const end = "\x01\x00\x01\x00\x00\x00\x0b\x00\x14\x00\x28\x02\x1d\x00\x00\x00\x00\x00\xce"
	s := server(t)
	proxy := servers.StartProxy(t, s.Addr)
	for range 20 {
		name := queue(t)
		p, log := started(t, s.URL(proxy.Addr, name))
		sinktest.WaitFor(t, "it is connected", func() bool { return strings.Contains(log.String(), "rabbitmq is connected") })
		happened, _ := proxy.EndReply(confirmMethod, end)
		err := sinktest.Publish(t, p, 1)
		<-happened
		if n := len(s.Messages(t, name)); err != nil && (errors.Is(err, publishing.ErrRefused) || n != 1) {
			t.Fatalf("%d reports are in the queue: %v", n, err)
		}
		sinktest.Stop(t, p)
	}
}

// A report that is refused because its context ended is never sent later.
func TestARefusedReportIsNotSentLater(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, _ := started(t, s.URL(proxy.Addr, name))
	sinktest.MustPublish(t, p, 1)
	proxy.Stall()
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs { // one is sent and the others wait
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			errs[i] = p.Publish(ctx, sinktest.Report(2+i))
		})
	}
	all.Wait()
	proxy.Resume()
	sinktest.Recovers(t, p, 9)
	there := make(map[string]bool)
	for _, m := range s.Messages(t, name) {
		there[m.MessageId] = true
	}
	refusals := 0
	for i, err := range errs {
		switch id := sinktest.Report(2 + i).ID; {
		case err == nil:
			t.Errorf("%s is published, by a broker that was silent", id)
		case errors.Is(err, publishing.ErrRefused):
			refusals++
			if there[id] {
				t.Errorf("%s is refused, and in the queue", id)
			}
		}
	}
	if refusals == 0 || refusals == len(errs) {
		t.Errorf("%d of %d are refused, want all but the one that was sent: %v", refusals, len(errs), errs)
	}
}
