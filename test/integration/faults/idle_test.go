package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// mixed sends 192 requests of all kinds from 48 clients, and returns what failed.
func mixed(t *testing.T, in *service.Instance, round int) (failed []string) {
	t.Helper()
	client := service.NewClient()
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 48 {
		all.Go(func() {
			for _, c := range []struct{ method, path, body string }{
				{http.MethodPost, fmt.Sprint("/visit/page", i), ""},
				{http.MethodGet, fmt.Sprint("/visits/page", i), ""},
				{http.MethodGet, service.AcceptPath(fmt.Sprint(1000*round+i), ""), ""},
				{http.MethodPost, "/visits", fmt.Sprintf(`[{"page_id":"a%d"},{"page_id":"b%d"}]`, i, i)},
			} {
				got, err := service.Request(client, c.method, in.Public+c.path, c.body)
				if err != nil || got.Status != http.StatusOK || strings.Contains(got.Body, "failed") {
					mu.Lock()
					failed = append(failed, fmt.Sprintf("%s: %d %.200s %v after %v", got.Request, got.Status, got.Body, err, got.Took))
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return failed
}

// F5: a server closes idle connections with TLS, or a balancer drops them silently.
func TestF5NoRequestFailsAfterAPause(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	secured := servers.StartRedisTLS(t, a, "--tls-auth-clients", "no", "--timeout", "3")
	plain := servers.StartRedis(t)
	balancer := servers.StartProxy(t, plain.Addr)
	balancer.DropIdle(4 * time.Second)
	count := func() int {
		c := secured.Client()
		defer func() { _ = c.Close() }()
		clients := check.Value(c.ClientList(t.Context()).Result())(t)
		return strings.Count(clients, "\n") - 1 // without this one
	}
	var most atomic.Int64
	for name, c := range map[string]struct {
		store string
		idled func() bool // the fault happened
	}{
		"closed by the server": {"rediss://" + secured.Addr, func() bool { return int64(count()) < most.Load() }},
		"dropped on the way":   {"redis://" + balancer.Addr + "?idle_time=3s", func() bool { return balancer.Dropped() > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t, "FOOTFALL_STORE="+c.store, "FOOTFALL_WINDOW=24h", "SSL_CERT_FILE="+a.File).Start()
			for round := range 4 {
				if failed := mixed(t, in, round); len(failed) > 0 {
					t.Errorf("round %d: %d requests failed:\n%s", round, len(failed), strings.Join(failed[:min(5, len(failed))], "\n"))
				}
				most.Store(max(most.Load(), int64(count())))
				time.Sleep(5500 * time.Millisecond) // the pause is the fault
				if !c.idled() {
					t.Error("no connection was lost in the pause")
				}
			}
			if t.Failed() {
				t.Log(in.Logged())
			}
		})
	}
}
