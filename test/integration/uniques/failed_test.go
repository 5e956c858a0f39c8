package uniques_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// ailing is an endpoint that answers 503 until it is up.
type ailing struct {
	*httptest.Server
	mu             sync.Mutex
	isUp           bool
	refused, taken []service.Call
}

func newAiling(t *testing.T) *ailing {
	t.Helper()
	e := &ailing{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := service.Call{ID: r.Header.Get("webhook-id"), Count: r.URL.Query().Get("count"), Body: string(body)}
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.isUp {
			e.taken = append(e.taken, call)
			return
		}
		e.refused = append(e.refused, call)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ailing) up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.isUp = true
}

// The endpoint receives what it was refused, by one command after all instances were
// restarted.
func TestAnEndpointThatWasDownGetsItsCountsByOneCommand(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name      string
		servers   int
		instances int
	}{{"embedded", 0, 1}, {"redis", 3, 2}} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			e := newAiling(t)
			r := service.NewRing(t, store.servers)
			r.Env = service.LocalCallbacks("2s", "100ms")
			var all []*service.Instance
			var folders []*service.Deployment
			for range store.instances {
				d := r.Deployment()
				folders, all = append(folders, d), append(all, d.Start())
			}
			const ids = 60
			for n := range ids {
				service.Accept(t, all[n%len(all)], n, e.URL+"/hook?token=secret")
			}
			var reports map[string]service.Line
			service.WaitFor(t, "all ids are published, and each window's callback is on record", func() bool {
				reports, _ = service.Reports(t, folders...)
				return service.Total(reports) == ids && len(all[0].FailedCallbacks()) == countedWindows(reports)
			})
			for _, in := range all {
				in.Kill()
			}
			for i, d := range folders {
				all[i] = d.Start()
			}
			check.Equal(t, len(all[0].FailedCallbacks("--window", "footfall_20000101T000000Z_2s")), 0, "those of another window")
			all[0].ToolFails([]string{"say which callbacks"}, "callbacks", "retry")
			all[0].ToolFails([]string{"0 of ", "stay on record"}, "callbacks", "retry", "--failed")
			e.up()
			out := all[len(all)-1].MustTool("callbacks", "retry", "--since", "24h", "--endpoint", e.URL+"/hook?token=secret")
			check.Equal(t, strings.Count(out, `"result":"delivered"`), countedWindows(reports), "windows that the command has delivered: %s", out)
			check.Equal(t, len(all[0].FailedCallbacks()), 0, "callbacks on record")
			all[0].MustTool("callbacks", "retry", "--failed")
			checkTaken(t, e, reports)
			if got := all[0].Get("/api/verve/windows").Body; strings.Contains(got, "hook") {
				t.Errorf("the public listener shows an endpoint: %s", got)
			}
		})
	}
}

// checkTaken checks that the endpoint has taken each count once, as it was refused.
func checkTaken(t *testing.T, e *ailing, reports map[string]service.Line) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	refused := make(map[string]service.Call)
	for _, c := range e.refused {
		refused[c.ID] = c
	}
	sum := int64(0)
	for _, c := range e.taken {
		check.Equal(t, c, refused[c.ID], "what was sent again")
		sum += reports[c.ID].Count
		delete(refused, c.ID)
	}
	check.Equal(t, len(e.taken), countedWindows(reports), "counts that were taken")
	check.Equal(t, sum, service.Total(reports), "their sum")
}
