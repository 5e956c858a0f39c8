package rabbitmq_test

import (
	"strings"
	"testing"

	"footfall/test/servers"
	"footfall/test/sinktest"
)

// N4: a publisher says where its broker is, since when it is away and why.
func TestN4APublisherSaysSinceWhenItsBrokerIsAway(t *testing.T) {
	t.Parallel()
	s := server(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, log := started(t, s.URL(proxy.Addr, queue(t)))
	sinktest.SaysSinceWhenItIsAway(t, p, proxy.Addr, proxy.Refuse, proxy.Accept)
	if strings.Contains(log.String(), s.Secret()) {
		t.Errorf("the password is in\n%s", log)
	}
}

func TestASilentBrokerIsDetected(t *testing.T) {
	t.Parallel()
	s := server(t)
	proxy := servers.StartProxy(t, s.Addr)
	proxy.Stall()
	p, _ := started(t, s.URL(proxy.Addr, queue(t)))
	sinktest.DetectsSilence(t, p, proxy.Resume)
}

func TestABrokerThatClosesConnectionsIsRetriedWithPauses(t *testing.T) {
	t.Parallel()
	sinktest.PausesWhenConnectionsAreClosed(t, sink(t), 1, "the broker closed the connection")
}

func TestPublisherStopsAtAnyTime(t *testing.T) { sinktest.StopsAtAnyTime(t, sink(t)) }
