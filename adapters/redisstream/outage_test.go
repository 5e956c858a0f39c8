package redisstream_test

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func port(t *testing.T) int {
	_, text, _ := net.SplitHostPort(servers.FreeAddr(t))
	return check.Value(strconv.Atoi(text))(t)
}

// A server that is frozen delays the first caller until its deadline, and later ones not at all.
func TestAFrozenServerIsDetected(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	p, _ := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 1)
	s.Freeze()
	t.Cleanup(s.Thaw)
	sinktest.WaitAway(t, p, "does not answer")
	before := p.Away()
	for range 100 {
		sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "does not answer")
	}
	if took := time.Since(before.Since); took > 2*time.Minute {
		t.Errorf("100 reports took %v", took)
	}
	s.Thaw()
	sinktest.Recovers(t, p, 3)
	wantReports(t, s, "footfall_1", "footfall_3")
}

// A connection that leads nowhere costs no report: it is replaced, or noticed between reports.
func TestAConnectionThatWasLostCostsNoReport(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, log := started(t, url(proxy.Addr))
	for i := range 5 {
		check.Must(t, sinktest.Publish(t, p, i))
		do(t, s, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	check.Equal(t, log.Lines("redis stream is away"), 0, "outages")
}

// Redis 7.2 and later names the user.
func TestAServersRefusalNamesNoUser(t *testing.T) {
	t.Parallel()
	addr, _ := sinktest.Closer(t, strings.Repeat("-NOPERM User writer has no permissions to run the 'info' command\r\n", 10)) // there are several commands
	p, log := started(t, strings.Replace(url(addr), "://", "://writer:secret@", 1))
	err := sinktest.Publish(t, p, 1)
	sinktest.MustRefuse(t, err, "NOPERM The user has no permissions")
	if text := err.Error() + log.String(); strings.Contains(text, "writer") || strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// N4: a publisher says where its server is, since when it is away and why, without a report.
func TestN4APublisherSaysSinceWhenItsServerIsAway(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	p, log := started(t, url(s.Addr))
	sinktest.SaysSinceWhenItIsAway(t, p, s.Addr, s.Kill, s.Start)
	check.Must(t, sinktest.Publish(t, p, 1)) // its id survived
	wantReports(t, s, "footfall_1", "footfall_2")
	check.Equal(t, log.Lines("redis stream is away", "connection refused"), 1, "lines of the log")
	check.Equal(t, log.Lines("redis stream is connected"), 2, "lines that say so")
}

func TestAServerThatClosesConnectionsIsRetriedWithPauses(t *testing.T) {
	t.Parallel()
	sinktest.PausesWhenConnectionsAreClosed(t, sink(t), 2, "closed the connection")
}

func TestPublisherStopsAtAnyTime(t *testing.T) { sinktest.StopsAtAnyTime(t, sink(t)) }
