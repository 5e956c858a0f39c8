package rabbitmq_test

import (
	"strings"
	"testing"

	"footfall/test/servers"
	"footfall/test/sinktest"
)

// F14: a broker that is connected and does not take a count is left for the next one.
func TestF14ABrokerThatTakesNoCountIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	first, second := servers.StartProxy(t, s.Addr), servers.StartProxy(t, s.Addr)
	p, log := started(t, s.URL(first.Addr+","+second.Addr, name))
	sinktest.MustPublish(t, p, 1)
	s.DeleteQueue(t, name)
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "NO_ROUTE")
	sinktest.MustPublish(t, p, 3)
	if !strings.Contains(log.String(), "addr="+second.Addr+"\n") {
		t.Errorf("the second was not tried:\n%s", log)
	}
}

// F14: the brokers of the list are tried in turn, and the others when the one in use is lost.
func TestF14TheBrokersOfTheURLAreTriedInTurn(t *testing.T) {
	t.Parallel()
	sinktest.TriesServersInTurn(t, sink(t))
}

// F14: a broker that is silent holds up the others for no longer than a connection may take.
func TestF14ASilentBrokerHoldsUpTheOthersForSecondsOnly(t *testing.T) {
	t.Parallel()
	sinktest.LeavesASilentServer(t, sink(t))
}
