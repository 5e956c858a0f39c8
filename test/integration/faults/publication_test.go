package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// publication is a deployment with a broker and what both have published.
type publication struct {
	*service.Deployment
	broker *servers.RabbitMQ
	queue  string
	// taken are the counts that the publisher's sink has, by window.
	taken func() map[string]service.Line
}

// newPublication is a deployment with windows of 2 s that knows the broker, or
// else the shared one, by its own address.
func newPublication(t *testing.T, broker *servers.RabbitMQ) *publication {
	t.Helper()
	if broker == nil {
		broker = service.SharedBroker(t)
	}
	queue := fmt.Sprint("counts.", t.Name(), ".", time.Now().UnixNano())
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms", "FOOTFALL_PUBLISHER="+broker.URL(broker.Addr, queue))
	p := &publication{Deployment: d, broker: broker, queue: queue}
	p.taken = p.queued
	return p
}

// through makes the service know the broker by the address of a proxy.
func (p *publication) through() *servers.Proxy {
	proxy := servers.StartProxy(p.T, p.broker.Addr)
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+p.broker.URL(proxy.Addr, p.queue))
	return proxy
}

// feeds starts an instance and sends ids to it.
func (p *publication) feeds() (*service.Instance, *feed) {
	p.T.Helper()
	in := p.Start()
	return in, newFeed(p.T, in)
}

// queued are the counts that were found in the queue by window; those with one
// id must not differ.
func (p *publication) queued() map[string]service.Line {
	p.T.Helper()
	all := make(map[string]service.Line)
	for _, m := range p.broker.Messages(p.T, p.queue) {
		var l service.Line
		if err := json.Unmarshal(m.Body, &l); err != nil || l.ID != m.MessageId {
			p.T.Fatalf("message %q has the body %s: %v", m.MessageId, m.Body, err)
		}
		if other, ok := all[l.ID]; ok && other.Count != l.Count {
			p.T.Fatalf("window %s has the counts %d and %d", l.ID, other.Count, l.Count)
		}
		all[l.ID] = l
	}
	return all
}

// everything is what the sink and the log have together: one number a window.
func (p *publication) everything() map[string]service.Line {
	p.T.Helper()
	all := p.taken()
	for id, l := range p.Reports() {
		if other, ok := all[id]; ok && other.Count != l.Count {
			p.T.Fatalf("window %s has the count %d in the sink and %d in the log", id, other.Count, l.Count)
		}
		all[id] = l
	}
	return all
}

// logGrows and sinkGrows wait for n counts more than there are.
func (p *publication) logGrows(n int) {
	p.T.Helper()
	before := len(p.Reports())
	service.WaitFor(p.T, fmt.Sprintf("%d more counts are in the log", n), func() bool { return len(p.Reports()) >= before+n })
}

func (p *publication) sinkGrows(n int) {
	p.T.Helper()
	before := len(p.taken())
	service.WaitFor(p.T, fmt.Sprintf("%d more counts are in the sink", n), func() bool {
		time.Sleep(100 * time.Millisecond) // each look is a connection
		return len(p.taken()) >= before+n
	})
}

// feed sends new ids until its end is called.
type feed struct {
	ids chaos.Account
	end func()
}

func newFeed(t testing.TB, in *service.Instance) *feed {
	f := &feed{}
	c := service.NewClient()
	stop, done := make(chan struct{}), make(chan struct{})
	f.end = sync.OnceFunc(func() { close(stop); <-done; c.CloseIdleConnections() })
	t.Cleanup(f.end)
	go func() {
		defer close(done)
		for id := 0; ; id++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			// One may be refused or in doubt on a machine that stands still.
			got, _ := service.Request(c, http.MethodGet, in.Public+service.AcceptPath(fmt.Sprint(id), ""), "")
			if !slices.Contains([]int{0, http.StatusOK, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, got.Status) {
				t.Errorf("accept: %d %s", got.Status, got.Body)
				return
			}
			f.ids.Settle(got.Outcome, 1)
		}
	}()
	return f
}

// resolve ends the feed and checks P5: every id that was acknowledged is in one
// window's number, none that was refused is, and no window is left out.
func (p *publication) resolve(f *feed) {
	p.T.Helper()
	f.end()
	low, denied, doubt := f.ids.Totals()
	service.WaitFor(p.T, "every id is published", func() bool {
		time.Sleep(100 * time.Millisecond)
		return service.Total(p.everything()) >= low
	})
	all := p.everything()
	if got := service.Total(all); low == 0 || got > low+doubt {
		p.T.Errorf("%d ids are published, %d were acknowledged, %d are in doubt, %d were refused", got, low, doubt, denied)
	}
	var starts []time.Time
	for _, l := range all {
		starts = append(starts, l.WindowStart)
	}
	slices.SortFunc(starts, time.Time.Compare)
	for i, at := range starts[1:] {
		if gap := at.Sub(starts[i]); gap != 2*time.Second {
			p.T.Errorf("%v lie between the windows of %v and %v", gap, starts[i], at)
		}
	}
}

// loggedOnce checks that the service's log says why its publisher is away, not
// again and again, and without the password.
func (p *publication) loggedOnce(in *service.Instance, why string) {
	p.T.Helper()
	last := ""
	for text := range strings.Lines(in.Logged()) {
		var l struct{ Msg, Error string }
		if json.Unmarshal([]byte(text), &l) != nil || l.Msg != "rabbitmq is away" {
			continue
		}
		if l.Error == last {
			p.T.Errorf("it says so again: %s", text)
		}
		last = l.Error
	}
	if !strings.Contains(last, why) {
		p.T.Errorf("%q, want %q:\n%s", last, why, in.Logged())
	}
	p.hidesPassword(in)
}

// isReady checks that the service is: a broker that is away is no reason not
// to be.
func (p *publication) isReady(in *service.Instance) {
	p.T.Helper()
	in.Get("/readyz").Want(p.T, http.StatusOK)
}

func (p *publication) hidesPassword(in *service.Instance) {
	p.T.Helper()
	if strings.Contains(in.Logged(), p.broker.Secret()) {
		p.T.Error("the password is in the log")
	}
}
