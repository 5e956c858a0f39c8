package rabbitmq_test

import (
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"footfall/adapters/rabbitmq"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

func TestPublisherIsAPublisher(t *testing.T) {
	t.Parallel()
	conformance.TestPublisher(t, func(t *testing.T) conformance.PublisherHarness {
		s := server(t)
		name := queue(t)
		proxy := servers.StartProxy(t, s.Addr)
		p, log := started(t, s.URL(proxy.Addr, name))
		waitFor(t, "it is connected", func() bool { return strings.Contains(log.String(), "rabbitmq is connected") })
		return conformance.PublisherHarness{
			Publisher: p,
			Read: func(t *testing.T) (all []publishing.Report) {
				waitFor(t, "the queue is declared", func() bool { return s.HasQueue(t, name) })
				for _, m := range s.Messages(t, name) {
					var r publishing.Report
					check.Must(t, json.Unmarshal(m.Body, &r))
					all = append(all, r)
				}
				return all
			},
			Stop: func(t *testing.T) { stop(t, p) },
			Refuse: func(t *testing.T) func() {
				proxy.Refuse()
				// What is sent before the loss is noticed is in doubt.
				waitFor(t, "the loss is noticed", func() bool { return strings.Contains(log.String(), "rabbitmq is away") })
				return func() { check.Must(t, proxy.Accept()) }
			},
			Doubt: func(t *testing.T) func() {
				happened, _ := proxy.DropReply(confirmMethod)
				return func() {
					select {
					case <-happened:
					case <-time.After(30 * time.Second):
						t.Error("no confirm came by")
					}
				}
			},
			Hang: func(*testing.T) func() { proxy.Stall(); return proxy.Resume },
		}
	})
}

// The message has what is documented, and nothing else.
func TestTheMessageIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	p, _ := started(t, s.URL(s.Addr, name))
	began := time.Now().Truncate(time.Second)
	mustPublish(t, p, 5)
	all := s.Messages(t, name)
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	m := all[0]
	if m.MessageId != "footfall_5" || m.Type != "footfall.unique_ids.v1" || m.AppId != "footfall" || m.ContentType != "application/json" ||
		m.DeliveryMode != amqp.Persistent || m.Exchange != "" || m.RoutingKey != name ||
		m.Timestamp.Before(began) || m.Timestamp.After(time.Now()) {
		t.Errorf("%+v", m)
	}
	const body = `{"id":"footfall_5","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":5}`
	check.Equal(t, string(m.Body), body, "the body")
}

// The type of the queue is that of the URL; a declaration with another one
// fails, and that is how this test can tell.
func TestTheQueueIsOfTheTypeInTheURL(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, kind := range []string{"quorum", "classic"} {
		name := queue(t)
		url := s.URL(s.Addr, name)
		if kind == "classic" {
			url += "&type=classic"
		}
		p, _ := started(t, url)
		mustPublish(t, p, 1)
		s.DeclareQueue(t, name, amqp.Table{"x-queue-type": kind})
	}
}

// A queue that another program declared without a type fits type=classic.
func TestAQueueWithoutANamedTypeIsClassic(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	s.DeclareQueue(t, name, nil)
	p, _ := started(t, s.URL(s.Addr, name)+"&type=classic")
	mustPublish(t, p, 1)
}

// U5 of the list of failures: a report that no queue accepts is refused, and the
// queue is declared again for the next report.
func TestAReportThatNoQueueAcceptsIsRefused(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	p, _ := started(t, s.URL(s.Addr, name))
	mustPublish(t, p, 1)
	s.DeleteQueue(t, name)
	mustRefuse(t, publish(t, p, 2), "NO_ROUTE")
	mustPublish(t, p, 3)
	if all := s.Messages(t, name); len(all) != 1 || all[0].MessageId != "footfall_3" {
		t.Errorf("the queue has %v", all)
	}
}

// There is no hot loop. No text has the password or the user's name.
func TestAWrongPasswordIsOneClearError(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	url := strings.Replace(s.URL(s.Addr, name), s.Secret(), "not-the-password", 1)
	p, log := started(t, url)
	before := s.Logins()
	err := refusal(t, p)
	mustRefuse(t, err, "user or password is wrong")
	waitFor(t, "several attempts", func() bool { return s.Logins() >= before+3 })
	if n := s.Logins() - before; n > 12 {
		t.Errorf("%d attempts to log in", n)
	}
	mustRefuse(t, refusal(t, p), "user or password is wrong")
	onceInTheLog(t, log, "user or password is wrong")
	for _, secret := range []string{"not-the-password", options(t, url).User} {
		if strings.Contains(log.String()+err.Error(), secret) {
			t.Errorf("%s is in %v or in\n%s", secret, err, log)
		}
	}
}

// The broker's refusal of another user's vhost names the user.
func TestABrokersRefusalNamesNoUser(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	s.AddVHost(t, "private")
	url := strings.Replace(s.URL(s.Addr, name), "/?", "/private?", 1)
	p, log := started(t, url)
	err := refusal(t, p)
	mustRefuse(t, err, "access to vhost 'private' refused for user '***'")
	if strings.Contains(err.Error()+log.String(), options(t, url).User) {
		t.Error(err, log)
	}
}

// A broker that accepts connections and sends nothing delays the first caller
// until its deadline, and later ones not at all.
func TestASilentBrokerIsDetected(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	proxy := servers.StartProxy(t, s.Addr)
	proxy.Stall()
	p, _ := started(t, s.URL(proxy.Addr, name))
	waitFor(t, "the silence is noticed", func() bool {
		err := publish(t, p, 1)
		check.Is(t, err, publishing.ErrRefused, "a report that is refused")
		return strings.Contains(err.Error(), "does not answer")
	})
	proxy.Resume()
	waitFor(t, "it is published", func() bool { return publish(t, p, 2) == nil })
}

// A broker that closes every connection is not retried in a hot loop.
func TestABrokerThatClosesConnectionsIsRetriedWithPauses(t *testing.T) {
	t.Parallel()
	l := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { l.Close() })
	var asked atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			c.Close()
		}
	}()
	p, log := started(t, "amqp://"+l.Addr().String()+"?queue=q")
	waitFor(t, "it is asked again", func() bool { return asked.Load() >= 3 })
	time.Sleep(2 * time.Second)
	if n := asked.Load(); n > 20 {
		t.Errorf("it was asked %d times", n)
	}
	mustRefuse(t, publish(t, p, 1), "the broker closed the connection")
	onceInTheLog(t, log, "the broker closed the connection")
}

// Stop at any time leaves no goroutine.
func TestPublisherStopsAtAnyTime(t *testing.T) {
	s := server(t)
	leaks := goleak.IgnoreCurrent()
	proxy := servers.StartProxy(t, s.Addr)
	p := rabbitmq.New(options(t, s.URL(proxy.Addr, queue(t))), slog.New(slog.DiscardHandler))
	stop(t, p) // never started
	mustRefuse(t, publish(t, p, 1), "not started")
	for i, act := range []func(p *rabbitmq.Publisher){
		func(*rabbitmq.Publisher) {}, // while it connects
		func(p *rabbitmq.Publisher) { mustPublish(t, p, 1) },
		func(p *rabbitmq.Publisher) { mustPublish(t, p, 1); proxy.Stall() },
		func(*rabbitmq.Publisher) {}, // while the broker is silent
		func(p *rabbitmq.Publisher) {
			proxy.Refuse()
			// The first answers may be about a connection that was cut while it was made.
			waitFor(t, "the broker is not reached", func() bool {
				err := publish(t, p, 1)
				return err != nil && strings.Contains(err.Error(), "not reached")
			})
		},
	} {
		p := rabbitmq.New(options(t, s.URL(proxy.Addr, queue(t))), slog.New(slog.DiscardHandler))
		check.Must(t, p.Start(t.Context()))
		check.Must(t, p.Start(t.Context()))
		act(p)
		stop(t, p)
		stop(t, p)
		mustRefuse(t, publish(t, p, 1), "it was stopped")
		t.Log("stopped", i)
	}
	proxy.Resume()
	waitFor(t, "nothing is left", func() bool { return goleak.Find(leaks) == nil })
}
