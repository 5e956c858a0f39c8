package faults_test

import (
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// U3, U4, U5, U6 for an exchange: it is missing at the start, and deleted later, and no queue is
// bound to it; its broker is lost, freezes, and is back. What it does not route is in the log.
func TestAnExchangeThatTakesNothingLosesNoCount(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	exchange := p.queue + ".exchange"
	const key = "counts.minute"
	proxy := p.through()
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+p.broker.ExchangeURL(proxy.Addr, exchange, key))
	p.broker.DeclareQueue(t, p.queue, map[string]any{"x-queue-type": "quorum"})
	appear := func() error {
		p.broker.DeclareExchange(t, exchange, "direct", false)
		p.broker.Bind(t, p.queue, exchange, key)
		return nil
	}
	in, f := p.feeds()
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "rabbitmq is away")
	p.recovers("the exchange is declared", appear)

	p.broker.DeleteExchange(t, exchange)
	p.logGrows(2)
	connected := func() int { return strings.Count(in.Logged(), `"rabbitmq is connected"`) }
	before := connected()
	p.broker.DeclareExchange(t, exchange, "direct", false)
	service.WaitFor(t, "the exchange is found, which no queue is bound to", func() bool { return connected() > before })
	p.logGrows(2)
	p.recovers("a queue is bound", appear)

	proxy.Refuse()
	p.logGrows(2)
	p.recovers("the broker is back", proxy.Accept)
	proxy.Stall()
	p.logGrows(2)
	p.recovers("the broker answers", func() error { proxy.Resume(); return nil })
	p.resolve(f)
	p.hidesPassword(in)
	for _, why := range []string{"look for exchange", "NOT_FOUND"} {
		if !strings.Contains(in.Logged(), why) {
			t.Errorf("nothing says %s:\n%s", why, in.Logged())
		}
	}
	check.Equal(t, in.Stop(), 0, "exit code")

	want := p.everything()
	if code, out := p.publish(p.CaptureLog()); code != 0 {
		t.Errorf("replay: exit code %d, %s", code, out)
	}
	check.Equal(t, len(p.queued()), len(want), "windows in the queue after a replay")
}
