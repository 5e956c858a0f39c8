package nats_test

import (
	"strings"
	"testing"

	"footfall/test/sinktest"
)

// N4: a publisher says where its server is, since when it is away and why.
func TestN4APublisherSaysSinceWhenItsServerIsAway(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	p, log := started(t, s.URL(s.Addr, subject))
	sinktest.SaysSinceWhenItIsAway(t, p, s.Addr, s.Kill, s.Start)
	wantReports(t, s, subject, 1, 2)
	if strings.Contains(log.String(), s.Secret()) {
		t.Errorf("the password is in\n%s", log)
	}
}

func TestTheServersOfTheURLAreTriedInTurn(t *testing.T) {
	t.Parallel()
	sinktest.TriesServersInTurn(t, sink(t))
}

func TestASilentServerHoldsUpTheOthersForSecondsOnly(t *testing.T) {
	t.Parallel()
	sinktest.LeavesASilentServer(t, sink(t))
}

func TestASilentServerIsDetected(t *testing.T) {
	t.Parallel()
	s, subject := server(t)
	freeze(t, s)
	p, _ := started(t, s.URL(s.Addr, subject))
	sinktest.DetectsSilence(t, p, s.Thaw)
	wantReports(t, s, subject, 2)
}

func TestAServerThatClosesConnectionsIsRetriedWithPauses(t *testing.T) {
	t.Parallel()
	sinktest.PausesWhenConnectionsAreClosed(t, sink(t), 1, "log in: ")
}

func TestPublisherStopsAtAnyTime(t *testing.T) { sinktest.StopsAtAnyTime(t, sink(t)) }
