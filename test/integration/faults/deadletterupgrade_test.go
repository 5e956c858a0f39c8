package faults_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// downEndpoint is an endpoint that answers 503 until it is up, and notes what it takes then.
type downEndpoint struct {
	*httptest.Server
	mu    sync.Mutex
	up    bool
	taken map[string]int // by window
}

func newDownEndpoint(t *testing.T) *downEndpoint {
	t.Helper()
	e := &downEndpoint{taken: make(map[string]int)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.up {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		e.taken[r.Header.Get("webhook-id")]++
	}))
	t.Cleanup(e.Close)
	return e
}

// beside are instances of this version and of one that keeps no failed callbacks, on one store.
type beside struct {
	*service.Ring
	endpoint     *downEndpoint
	older, newer *service.Deployment
	ids          int // that were sent
	accepted     int64
}

// windows lets a few windows have ids from the instances given, and waits until they are done.
func (b *beside) windows(in ...*service.Instance) {
	b.T.Helper()
	for range 3 {
		service.WaitFor(b.T, "an id is accepted", func() bool {
			b.ids++ // each is sent once
			ok := b.Accept(in[b.ids%len(in)], b.ids, b.endpoint.URL+"/hook").Status == http.StatusOK
			if ok {
				b.accepted++
			}
			return ok
		})
		service.WaitFor(b.T, "all windows with ids are done", func() bool { _, all := b.done(in[0]); return all })
	}
}

// done are the windows with ids that are done. all tells that they have all ids.
func (b *beside) done(in *service.Instance) (ids []string, all bool) {
	b.T.Helper()
	sum, waits := int64(0), false
	for _, w := range b.Windows(in) {
		switch {
		case w.Count == 0:
		case w.State == "done":
			ids, sum = append(ids, w.ID), sum+w.Count
		default:
			waits = true
		}
	}
	return ids, !waits && sum >= b.accepted
}

// onRecord are the windows of the failed callbacks.
func (b *beside) onRecord(in *service.Instance) map[string]bool {
	b.T.Helper()
	windows := make(map[string]bool)
	for _, c := range in.FailedCallbacks() {
		check.Equal(b.T, windows[c.Window], false, "%s is on record twice", c.Window)
		windows[c.Window] = true
	}
	return windows
}

// called are the windows about which an instance has called the endpoint.
func called(d *service.Deployment) map[string]bool {
	windows := make(map[string]bool)
	for _, l := range d.Lines() {
		if l.Event == "callback" {
			windows[l.ID] = true
		}
	}
	return windows
}

// P5, P7: an instance of the version before and one of this version close windows on one
// store. All windows get done. What this one could not deliver is on record and is
// delivered later, once; what the other one could not deliver is not.
func TestAnInstanceThatKeepsNoFailedCallbacksRunsBesideOneThatDoes(t *testing.T) {
	t.Parallel()
	b := &beside{Ring: service.NewRing(t, 2), endpoint: newDownEndpoint(t)}
	b.Env = service.LocalCallbacks("1s", "100ms")
	b.older, b.newer = b.Deployment(), b.Deployment()
	b.older.Program = service.PreviousProgram(t)
	old := b.older.Start()
	b.windows(old)
	in := b.newer.Start()
	check.Equal(t, len(b.onRecord(in)), 0, "callbacks on record of windows before")
	for len(b.onRecord(in)) == 0 { // the old one may be the first to claim each
		b.windows(in, old)
	}
	old.Kill()
	b.windows(in)
	old = b.older.Start()
	in.Kill()
	b.windows(old)
	in = b.newer.Start()
	kept, byOlder, byNewer := b.onRecord(in), called(b.older), called(b.newer)
	done, _ := b.done(in)
	for _, id := range done {
		if byOlder[id] != byNewer[id] { // of those that both have called, either has saved the end
			check.Equal(t, kept[id], byNewer[id], "%s is on record", id)
		}
	}
	b.delivers(in, kept)
}

// An embedded store with failed callbacks is read by the version before, and has them still
// when it is back.
func TestAnEmbeddedStoreKeepsFailedCallbacksWhileTheVersionBeforeUsesIt(t *testing.T) {
	t.Parallel()
	b := &beside{Ring: service.NewRing(t, 0), endpoint: newDownEndpoint(t)}
	b.Env = service.LocalCallbacks("1s", "100ms")
	d := b.Deployment()
	in := d.Start()
	b.windows(in)
	kept := b.onRecord(in)
	check.Equal(t, len(kept) > 0, true, "callbacks are on record")
	in.Kill()
	d.Program = service.PreviousProgram(t)
	old := d.Start()
	b.windows(old)
	old.Kill()
	d.Program = service.Program()
	in = d.Start()
	check.Equal(t, fmt.Sprint(b.onRecord(in)), fmt.Sprint(kept), "callbacks on record")
	b.delivers(in, kept)
}

// delivers retries all that is on record, which is delivered once.
func (b *beside) delivers(in *service.Instance, kept map[string]bool) {
	b.T.Helper()
	b.endpoint.mu.Lock()
	b.endpoint.up = true
	b.endpoint.mu.Unlock()
	in.MustTool("callbacks", "retry", "--failed")
	check.Equal(b.T, len(b.onRecord(in)), 0, "callbacks on record")
	b.endpoint.mu.Lock()
	defer b.endpoint.mu.Unlock()
	for id := range kept {
		check.Equal(b.T, b.endpoint.taken[id], 1, "how often %s was taken", id)
	}
	check.Equal(b.T, len(b.endpoint.taken), len(kept), "windows that were taken")
}
