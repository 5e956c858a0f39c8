package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// waitForNode is how long the service waits for a node.
const waitForNode = time.Second

// failure is a request that was not answered with 200, and how long that took.
type failure struct {
	text string
	took time.Duration
}

// mixed sends 192 requests of all kinds from 48 clients, and returns what failed.
func mixed(t *testing.T, in *service.Instance, round int) (failed []failure) {
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
					failed = append(failed, failure{fmt.Sprintf("%s: %d %.200s %v after %v", got.Request, got.Status, got.Body, err, got.Took), got.Took})
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
	connections := func() (ids []string) {
		c := secured.Client()
		defer func() { _ = c.Close() }()
		for line := range strings.Lines(check.Value(c.ClientList(t.Context()).Result())(t)) {
			if id, rest, _ := strings.Cut(line, " "); !strings.Contains(rest, "cmd=client") { // which is the one that asks
				ids = append(ids, id)
			}
		}
		return ids
	}
	for name, c := range map[string]struct {
		store string
		loses func(pause func()) bool // the fault happened in the pause
	}{
		"closed by the server": {"rediss://" + secured.Addr, func(pause func()) bool {
			before := connections()
			pause()
			now := connections()
			return slices.ContainsFunc(before, func(id string) bool { return !slices.Contains(now, id) })
		}},
		"dropped on the way": {"redis://" + balancer.Addr + "?idle_time=3s", func(pause func()) bool {
			before := balancer.Dropped()
			pause()
			return balancer.Dropped() > before
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t, "FOOTFALL_STORE="+c.store, "FOOTFALL_WINDOW=24h", "SSL_CERT_FILE="+a.File).Start()
			service.WaitFor(t, "all requests are answered before the first pause", func() bool { return len(mixed(t, in, 20)) == 0 })
			faults := 0
			for round := 0; faults < 4 && round < 20; round++ { // a busy machine may need few connections, which all stay in use
				if failed := mixed(t, in, round); len(failed) > 0 {
					t.Errorf("round %d: %d requests failed:\n%v", round, len(failed), failed[:min(5, len(failed))])
				}
				if c.loses(func() { time.Sleep(5500 * time.Millisecond) }) {
					faults++
				}
			}
			check.Equal(t, faults, 4, "pauses in which a connection was lost")
			if t.Failed() {
				t.Log(in.Logged())
			}
		})
	}
}

// F7: the server takes 10 connections, and the pool would have 16.
func TestF7ARefusedConnectionFailsNoRequest(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	plain := servers.StartRedis(t, "--maxclients", "10")
	secured := servers.StartRedisTLS(t, a, "--maxclients", "10", "--tls-auth-clients", "no")
	for store, server := range map[string]*servers.Redis{"redis://": plain, "rediss://": secured} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			own := server.Client() // has its connection before the others are taken
			defer func() { _ = own.Close() }()
			check.Must(t, own.Ping(t.Context()).Err())
			in := service.NewDeployment(t, "FOOTFALL_STORE="+store+server.Addr, "FOOTFALL_WINDOW=24h", "SSL_CERT_FILE="+a.File).Start()
			refused := func() bool {
				info := check.Value(own.InfoMap(t.Context(), "stats").Result())(t)
				return info["Stats"]["rejected_connections"] != "0"
			}
			crowd := service.NewClient()
			defer crowd.CloseIdleConnections()
			clean := 0 // rounds that had their answers in time: a busy machine makes the ten connections late
			for round := 0; (clean < 3 || !refused()) && round < 20; round++ {
				late := atomic.Bool{}
				var all sync.WaitGroup
				for i := range 48 { // reads of many pages take a connection each
					all.Go(func() {
						got, err := service.Request(crowd, http.MethodGet, fmt.Sprintf("%s/visits?page_id=a%d&page_id=b%d", in.Public, i, i), "")
						switch {
						case err == nil && got.Status == http.StatusOK:
						case got.Took > waitForNode:
							late.Store(true)
						default:
							t.Errorf("%s: %d %.200s %v after %v", got.Request, got.Status, got.Body, err, got.Took)
						}
					})
				}
				for _, f := range mixed(t, in, round) {
					if f.took > waitForNode {
						late.Store(true)
						continue
					}
					t.Errorf("round %d: %s", round, f.text)
				}
				all.Wait()
				if !late.Load() {
					clean++
				}
			}
			check.Equal(t, clean >= 3, true, "three rounds have their answers in time")
			check.Equal(t, refused(), true, "the server has refused a connection")
		})
	}
}
