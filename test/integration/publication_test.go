package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/servers"
)

// shared is a broker for the tests that leave it alone, with a queue for each.
var shared struct {
	once   sync.Once
	broker *servers.RabbitMQ
	err    error
}

func endSharedBroker() {
	if shared.broker != nil {
		shared.broker.Close()
	}
}

// publication is a deployment with a broker and what both have published.
type publication struct {
	*deployment
	broker *servers.RabbitMQ
	queue  string
}

// newPublication is a deployment with windows of 2 s that knows the broker by
// addr, or by its own address. Supersedes settings win.
func newPublication(t *testing.T, broker *servers.RabbitMQ, addr string, env ...string) *publication {
	t.Helper()
	if broker == nil {
		shared.once.Do(func() {
			if shared.broker, shared.err = servers.OpenRabbitMQ(); shared.err == nil {
				shared.err = shared.broker.Start()
			}
		})
		if shared.err != nil {
			t.Fatal(shared.err)
		}
		broker = shared.broker
	}
	if addr == "" {
		addr = broker.Addr
	}
	queue := fmt.Sprint("counts.", t.Name(), ".", time.Now().UnixNano())
	env = append([]string{"FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms", "FOOTFALL_PUBLISHER=" + broker.URL(addr, queue)}, env...)
	return &publication{newDeployment(t, env...), broker, queue}
}

// queued are the counts that were found in the queue by window; those with one
// id must not differ.
func (p *publication) queued() map[string]line {
	p.t.Helper()
	all := make(map[string]line)
	for _, m := range p.broker.Messages(p.t, p.queue) {
		var l line
		if err := json.Unmarshal(m.Body, &l); err != nil || l.ID != m.MessageId {
			p.t.Fatalf("message %q has the body %s: %v", m.MessageId, m.Body, err)
		}
		if other, ok := all[l.ID]; ok && other.Count != l.Count {
			p.t.Fatalf("window %s has the counts %d and %d", l.ID, other.Count, l.Count)
		}
		all[l.ID] = l
	}
	return all
}

// everything is what the queue and the log have together: one number a window.
func (p *publication) everything() map[string]line {
	p.t.Helper()
	all := p.queued()
	for id, l := range p.reports() {
		if other, ok := all[id]; ok && other.Count != l.Count {
			p.t.Fatalf("window %s has the count %d in the queue and %d in the log", id, other.Count, l.Count)
		}
		all[id] = l
	}
	return all
}

// logGrows and queueGrows wait for n counts more than there are.
func (p *publication) logGrows(n int) {
	p.t.Helper()
	before := len(p.reports())
	waitFor(p.t, fmt.Sprintf("%d more counts are in the log", n), 2*time.Minute, func() bool { return len(p.reports()) >= before+n })
}

func (p *publication) queueGrows(n int) {
	p.t.Helper()
	before := len(p.queued())
	waitFor(p.t, fmt.Sprintf("%d more counts are in the queue", n), 2*time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond) // each look is a connection
		return len(p.queued()) >= before+n
	})
}

// feed sends new ids until its end is called.
type feed struct {
	t    *testing.T
	ids  account
	stop chan struct{}
	done chan struct{}
}

func newFeed(t *testing.T, in *instance) *feed {
	f := &feed{t: t, stop: make(chan struct{}), done: make(chan struct{})}
	c := newClient()
	go func() {
		defer close(f.done)
		defer c.CloseIdleConnections()
		for id := 0; ; id++ {
			select {
			case <-f.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			// One may be refused or in doubt on a machine that stands still.
			got, body, err := send(c, http.MethodGet, fmt.Sprintf("%s/api/verve/accept?id=%d", in.public, id))
			if err != nil {
				t.Errorf("accept: %v %s %v", got, body, err)
				return
			}
			f.ids.add(reply{outcome: got})
		}
	}()
	t.Cleanup(f.end)
	return f
}

func (f *feed) end() {
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	<-f.done
}

// settle ends the feed and checks P5: every id that was acknowledged is in one
// window's number, none that was refused is, and no window is left out.
func (p *publication) resolve(f *feed) {
	p.t.Helper()
	f.end()
	low, high := f.ids.acked.Load(), f.ids.acked.Load()+f.ids.maybe.Load()
	waitFor(p.t, "every id is published", 2*time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond)
		return total(p.everything()) >= low
	})
	all := p.everything()
	if got := total(all); low == 0 || got > high {
		p.t.Errorf("%d ids are published, %d were acknowledged, %d are in doubt, %d were refused", got, low, high-low, f.ids.denied.Load())
	}
	var starts []time.Time
	for _, l := range all {
		starts = append(starts, l.WindowStart)
	}
	slices.SortFunc(starts, time.Time.Compare)
	for i, at := range starts[1:] {
		if gap := at.Sub(starts[i]); gap != 2*time.Second {
			p.t.Errorf("%v lie between the windows of %v and %v", gap, starts[i], at)
		}
	}
}

// loggedOnce checks that the service's log says why its publisher is away, not
// again and again, and without the password.
func (p *publication) loggedOnce(in *instance, why string) {
	p.t.Helper()
	last := ""
	for text := range strings.Lines(in.logged()) {
		var l struct{ Msg, Error string }
		if json.Unmarshal([]byte(text), &l) != nil || l.Msg != "rabbitmq is away" {
			continue
		}
		if l.Error == last {
			p.t.Errorf("it says so again: %s", text)
		}
		last = l.Error
	}
	if !strings.Contains(last, why) {
		p.t.Errorf("%q, want %q:\n%s", last, why, in.logged())
	}
	p.hidesPassword(in)
}

// isReady checks that the service is: a broker that is away is no reason not
// to be.
func (p *publication) isReady(in *instance) {
	p.t.Helper()
	if status, body := get(p.t, in.public+"/readyz", ""); status != http.StatusOK {
		p.t.Errorf("/readyz: %d %s", status, body)
	}
}

func (p *publication) hidesPassword(in *instance) {
	p.t.Helper()
	if strings.Contains(in.logged(), p.broker.Secret()) {
		p.t.Error("the password is in the log")
	}
}
