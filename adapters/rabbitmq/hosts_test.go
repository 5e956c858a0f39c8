package rabbitmq_test

import (
	"strings"
	"testing"

	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
)

// F14: the brokers of the list are tried in turn, from the first one on. When the one in
// use is lost, the others are tried.
func TestF14TheBrokersOfTheURLAreTriedInTurn(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	first, second := servers.StartProxy(t, s.Addr), servers.StartProxy(t, s.Addr)
	first.Refuse()
	p, log := started(t, s.URL(first.Addr+","+second.Addr, name))
	mustPublish(t, p, 1)
	connected := func(addr string) bool {
		return strings.Contains(log.String(), "is connected\" queue="+name+" addr="+addr+"\n")
	}
	if !connected(second.Addr) || connected(first.Addr) {
		t.Errorf("the first is down:\n%s", log)
	}
	second.Refuse()
	waitFor(t, "the loss is noticed", func() bool { return strings.Contains(log.String(), "rabbitmq is away") })
	for _, addr := range []string{second.Addr, first.Addr} {
		waitFor(t, "each is tried", func() bool {
			err := publish(t, p, 2)
			check.Is(t, err, publishing.ErrRefused, "a report while both are down")
			return strings.Contains(err.Error(), addr+": not reached:")
		})
	}
	check.Must(t, first.Accept())
	waitFor(t, "it is published by the first", func() bool { return publish(t, p, 3) == nil })
	if !connected(first.Addr) {
		t.Errorf("the second is down:\n%s", log)
	}
	wantReports(t, s, name, "footfall_1", "footfall_3")
}

// F14: a broker that is connected and does not take a count is left for the next one.
func TestF14ABrokerThatTakesNoCountIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	first, second := servers.StartProxy(t, s.Addr), servers.StartProxy(t, s.Addr)
	p, log := started(t, s.URL(first.Addr+","+second.Addr, name))
	mustPublish(t, p, 1)
	s.DeleteQueue(t, name)
	mustRefuse(t, publish(t, p, 2), "NO_ROUTE")
	mustPublish(t, p, 3)
	if !strings.Contains(log.String(), "addr="+second.Addr+"\n") {
		t.Errorf("the second was not tried:\n%s", log)
	}
}

// F14: a broker that is silent holds up the others for no longer than a connection may take.
func TestF14ASilentBrokerHoldsUpTheOthersForSecondsOnly(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	silent := servers.StartProxy(t, s.Addr)
	silent.Stall()
	p, _ := started(t, s.URL(silent.Addr+","+s.Addr, name))
	waitFor(t, "it is published", func() bool { return publish(t, p, 1) == nil })
	wantReports(t, s, name, "footfall_1")
}
