package admin_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/admin"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// guarded is a listener with a token, and what it noted.
type guarded struct {
	http.Handler
	mu       sync.Mutex
	guesses  int
	notAsked int
	log      bytes.Buffer
}

const token = "a token of the test"

func newGuarded() *guarded {
	g := &guarded{}
	g.Handler = admin.New(admin.Options{
		Metrics: prometheus.NewRegistry(), Token: token, Log: slog.New(slog.NewTextHandler(&g.log, nil)),
		Unauthorized: func(limited bool) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.guesses++; limited {
				g.notAsked++
			}
		},
	})
	return g
}

// from sends a request with a token from an address.
func (g *guarded) from(addr, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.RemoteAddr = addr + ":1"
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("X-Forwarded-For", "198.51.100."+strconv.Itoa(rand.IntN(256))) // is not believed
	return httpcheck.Answer(g, r)
}

// S14: ten guesses a minute of a client are looked at, however many it sends at a time. The
// token goes on from other addresses, and from its own when the minute is over.
func TestS14GuessesOfTheTokenAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded()
		var mu sync.Mutex
		statuses := make(map[int]int)
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				w := g.from("192.0.2.1", "guess")
				mu.Lock()
				defer mu.Unlock()
				statuses[w.Code]++
			})
		}
		all.Wait()
		check.Equal(t, statuses[http.StatusUnauthorized], 10, "guesses that were looked at")
		check.Equal(t, statuses[http.StatusTooManyRequests], 490, "guesses that were not")
		w := g.from("192.0.2.1", token)
		check.Equal(t, w.Code, http.StatusTooManyRequests, "the token from the address of the guesses")
		check.Equal(t, w.Header().Get("Retry-After"), "6", "the wait")
		for range 50 {
			check.Equal(t, g.from("192.0.2.2", token).Code, http.StatusOK, "the token from another address")
		}
		check.Equal(t, g.guesses, 501, "requests without the token, or that were not looked at")
		check.Equal(t, g.notAsked, 491, "those that were not looked at")
		time.Sleep(time.Minute)
		check.Equal(t, g.from("192.0.2.1", token).Code, http.StatusOK, "the token after a minute")
		g.from("192.0.2.3", "")
		check.Equal(t, strings.Count(g.log.String(), "\n"), 2, "lines of the log")
		if !strings.Contains(g.log.String(), "requests=501 client=192.0.2.3:1") || strings.Contains(g.log.String(), "guess") {
			t.Errorf("the log is %s", &g.log)
		}
	})
}

// S14: requests without any token guess nothing, so they do not lock out an operator at
// the same address: it may be that of several who scrape metrics without the token.
func TestS14RequestsWithoutATokenAreNoGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded()
		for range 100 {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.RemoteAddr = "192.0.2.1:1"
			check.Equal(t, httpcheck.Answer(g, r).Code, http.StatusUnauthorized, "the status of a request without a token")
			check.Equal(t, g.from("192.0.2.1", token).Code, http.StatusOK, "the status of one with the token")
		}
		check.Equal(t, g.guesses, 100, "requests that were counted")
		check.Equal(t, strings.Count(g.log.String(), "\n"), 1, "lines of the log")
	})
}

// S6: health is asked for on the admin listener without the token, since callers can take all
// connections of the public one. Nothing else is served so, and pages of other sites get
// nothing.
func TestS6HealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	h, _ := newAdmin(t, token, false)
	for target, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/healthz/": http.StatusUnauthorized,
		"//healthz": http.StatusUnauthorized, "/metrics": http.StatusUnauthorized, "/ring?/healthz": http.StatusUnauthorized,
	} {
		check.Equal(t, httpcheck.Send(t, h, http.MethodGet, target, "", "Host", "10.0.0.1:8001").Code, want, "GET %s", target)
	}
	for _, foreign := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		w := httpcheck.Send(t, h, http.MethodGet, "/readyz", "", foreign...)
		check.Equal(t, w.Code, http.StatusForbidden, "GET /readyz for another site")
	}
	h, _ = newAdmin(t, "", true)
	w := httpcheck.Send(t, h, http.MethodGet, "/readyz", "", "Host", "rebound.example:8001")
	check.Equal(t, w.Code, http.StatusForbidden, "GET /readyz for a foreign host")
}
