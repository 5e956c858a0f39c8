package sinktest

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// Sink is an adapter under test, with a server that takes its reports.
type Sink struct {
	Title string // as it begins the lines of the log
	// New makes the publisher of a URL, and Start starts it until the test ends.
	New   func(t *testing.T, url string) Publisher
	Start func(t *testing.T, url string) (Publisher, *check.Log)
	// URL is that of the server as it is seen at addr. Addr is its own.
	URL  func(addr string) string
	Addr string
	// Read lists the reports that have arrived.
	Read func(t *testing.T) []publishing.Report
	// Taken is a part of the answer that a report is stored.
	Taken string
}

// Of returns a Sink with the publisher of an adapter. The fields of its server follow.
func Of[O any, P Publisher](title string, parse func(string) (O, error), open func(O, *slog.Logger) P) Sink {
	return Sink{
		Title: title,
		New: func(t *testing.T, url string) Publisher {
			return open(check.Value(parse(url))(t), slog.New(slog.DiscardHandler))
		},
		Start: func(t *testing.T, url string) (Publisher, *check.Log) { return Start(t, parse, open, url) },
	}
}

// Conformance runs conformance.TestPublisher through a proxy.
func Conformance(t *testing.T, open func(t *testing.T) Sink) {
	t.Helper()
	conformance.TestPublisher(t, func(t *testing.T) conformance.PublisherHarness {
		s := open(t)
		proxy := servers.StartProxy(t, s.Addr)
		p, log := s.Start(t, s.URL(proxy.Addr))
		WaitFor(t, "it is connected", func() bool { return log.Lines(s.Title+" is connected") > 0 })
		return conformance.PublisherHarness{
			Publisher: p,
			Read:      s.Read,
			Stop:      func(t *testing.T) { Stop(t, p) },
			Refuse: func(t *testing.T) func() {
				proxy.Refuse()
				// What is sent before the loss is noticed is in doubt.
				WaitFor(t, "the loss is noticed", func() bool { return log.Lines(s.Title+" is away") > 0 })
				return func() { check.Must(t, proxy.Accept()) }
			},
			Doubt: func(t *testing.T) func() {
				happened, _ := proxy.DropReply(s.Taken)
				return func() {
					select {
					case <-happened:
					case <-time.After(30 * time.Second):
						t.Error("no confirmation came by")
					}
				}
			},
			Hang: func(*testing.T) func() { proxy.Stall(); return proxy.Resume },
		}
	})
}

// SaysSinceWhenItIsAway checks Away: where the server is, since when it is away and why, for as
// long as it is. The time is that of the loss, and not of the last attempt. lose makes the server
// of the publisher's only address refuse connections, until mend.
func SaysSinceWhenItIsAway(t *testing.T, p Publisher, addr string, lose func(), mend func() error) {
	t.Helper()
	MustPublish(t, p, 1)
	check.Equal(t, p.Away(), nil, "the outage while the server takes counts")
	before := time.Now()
	lose()
	first := WaitAway(t, p, "connection refused")
	err := Refusal(t, p)
	MustRefuse(t, err, p.Name()+": ", "not reached: dial tcp")
	check.Equal(t, strings.Contains(err.Error(), "refused: "), false, "an error says that a server which was not reached has refused")
	check.Equal(t, first.Addr, addr, "where it is")
	if first.Since.Before(before) || time.Since(first.Since) < 0 {
		t.Errorf("it is away since %v, want a time after %v", first.Since, before)
	}
	WaitFor(t, "it has tried again", func() bool { return p.Away() != first })
	check.Equal(t, p.Away().Since, first.Since, "the time of the loss")
	check.Must(t, mend())
	WaitFor(t, "it is not away any more", func() bool { return p.Away() == nil })
	MustPublish(t, p, 2)
}

// TriesServersInTurn checks that the servers of a URL are tried from the first one on, and the
// others when the one in use is lost.
func TriesServersInTurn(t *testing.T, s Sink) {
	t.Helper()
	first, second := servers.StartProxy(t, s.Addr), servers.StartProxy(t, s.Addr)
	first.Refuse()
	p, log := s.Start(t, s.URL(first.Addr+","+second.Addr))
	MustPublish(t, p, 1)
	connected := func(addr string) bool { return log.Lines(" is connected", "addr="+addr+"\n") > 0 }
	if !connected(second.Addr) || connected(first.Addr) {
		t.Errorf("the first is down:\n%s", log)
	}
	second.Refuse()
	WaitFor(t, "the loss is noticed", func() bool { return log.Lines(s.Title+" is away") > 0 })
	for _, addr := range []string{second.Addr, first.Addr} {
		WaitFor(t, "each is tried", func() bool {
			err := Publish(t, p, 2)
			check.Is(t, err, publishing.ErrRefused, "a report while both are down")
			return strings.Contains(err.Error(), addr+": not reached:")
		})
	}
	check.Must(t, first.Accept())
	Recovers(t, p, 3)
	if !connected(first.Addr) {
		t.Errorf("the second is down:\n%s", log)
	}
	WantIDs(t, s.Read(t), "footfall_1", "footfall_3")
}

// LeavesASilentServer checks that a server that is silent holds up the others for no longer than
// a connection may take.
func LeavesASilentServer(t *testing.T, s Sink) {
	t.Helper()
	silent := servers.StartProxy(t, s.Addr)
	silent.Stall()
	p, _ := s.Start(t, s.URL(silent.Addr+","+s.Addr))
	Recovers(t, p, 1)
	WantIDs(t, s.Read(t), "footfall_1")
}

// DetectsSilence checks that a server that accepts connections and sends nothing delays the first
// caller until its deadline, and later ones not at all. p is the publisher to such a server, and
// resume ends its silence.
func DetectsSilence(t *testing.T, p Publisher, resume func()) {
	t.Helper()
	WaitFor(t, "the silence is noticed", func() bool {
		check.Is(t, Publish(t, p, 1), publishing.ErrRefused, "a report that is refused")
		return p.Away() != nil
	})
	resume()
	Recovers(t, p, 2)
}

// PausesWhenConnectionsAreClosed checks that a server that closes every connection is not asked
// in a hot loop. asked counts its connections, of which an attempt makes the number perAttempt.
func PausesWhenConnectionsAreClosed(t *testing.T, s Sink, perAttempt int64, why string) {
	t.Helper()
	addr, asked := Closer(t, "")
	p, log := s.Start(t, s.URL(addr))
	WaitFor(t, "it is asked again", func() bool { return asked.Load() >= 3*perAttempt })
	time.Sleep(2 * time.Second)
	if n := asked.Load(); n > 20*perAttempt {
		t.Errorf("it was asked %d times", n)
	}
	MustRefuse(t, Publish(t, p, 1), why)
	if n := log.Lines(s.Title + " is away"); n < 1 || n > 2 { // it is closed, or a reset
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// StopsAtAnyTime checks that Stop leaves no goroutine, whatever the publisher does. The server
// has to be started before.
func StopsAtAnyTime(t *testing.T, s Sink) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	proxy := servers.StartProxy(t, s.Addr)
	p := s.New(t, s.URL(proxy.Addr))
	MustRefuse(t, Publish(t, p, 1), "not started")
	Stop(t, p)
	check.Must(t, p.Start(t.Context()))
	MustRefuse(t, Publish(t, p, 1), "it was stopped")
	for i, act := range []func(p Publisher){
		func(Publisher) {}, // while it connects
		func(p Publisher) { MustPublish(t, p, 1) },
		func(p Publisher) { MustPublish(t, p, 1); proxy.Stall() },
		func(Publisher) {}, // while the server is silent
		func(p Publisher) {
			proxy.Refuse()
			// The first answers may be about a connection that was cut while it was made.
			WaitFor(t, "the server is not reached", func() bool {
				err := Publish(t, p, 1)
				return err != nil && strings.Contains(err.Error(), "not reached")
			})
		},
	} {
		p := s.New(t, s.URL(proxy.Addr))
		check.Must(t, p.Start(t.Context()))
		check.Must(t, p.Start(t.Context()))
		act(p)
		Stop(t, p)
		Stop(t, p)
		MustRefuse(t, Publish(t, p, 1), "it was stopped")
		t.Log("stopped", i)
	}
	proxy.Resume()
	WaitFor(t, "nothing is left", func() bool { return goleak.Find(leaks) == nil })
}
