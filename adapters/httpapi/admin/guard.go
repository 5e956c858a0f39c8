package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
)

// guesses is how many requests with another token a client may send in a minute.
const guesses = 10

// guard admits requests with the token. Each that has another one counts as a guess of its
// client; a client that has made too many waits, also with the token. One without any
// guesses nothing. A client is the address of a connection: what it says of others could
// be another lie each time.
type guard struct {
	token        string
	sum          [sha256.Size]byte
	clients      *limits.Clients
	unauthorized func(limited bool)
	log          *slog.Logger

	mu      sync.Mutex // of many guesses at a time, each sees those before it
	refused int        // since the last line of the log
	lines   rate.Sometimes
}

func newGuard(o Options) *guard {
	return &guard{
		token: o.Token, sum: sha256.Sum256([]byte(o.Token)),
		clients:      limits.NewClients(limits.Rate{Requests: guesses, Per: time.Minute}, nil, nil),
		unauthorized: o.Unauthorized, log: o.Log, lines: rate.Sometimes{Interval: time.Minute},
	}
}

// admit returns nil for a request with the token, and where there is none.
func (g *guard) admit(r *http.Request) error {
	if g.token == "" {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var limited error
	if len(r.Header["Authorization"]) > 0 {
		if limited = g.clients.Wait(r.RemoteAddr); limited == nil {
			if g.hasToken(r) {
				return nil
			}
			_ = g.clients.Check(r.RemoteAddr, nil) // there was one left
		}
	}
	if g.unauthorized != nil {
		g.unauthorized(limited != nil)
	}
	g.refused++
	g.lines.Do(func() {
		g.log.Warn("admin listener refuses requests without its token", "requests", g.refused, "client", r.RemoteAddr)
		g.refused = 0
	})
	if limited != nil {
		f := problem.Of(limited, false)
		f.Detail = "This client has sent too many requests with another token; this one was not looked at."
		return f
	}
	return problem.New(http.StatusUnauthorized, "unauthorized", "The admin listener wants its bearer token.")
}

// hasToken compares hashes, so that its time depends on neither the token's text
// nor its length.
func (g *guard) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.sum[:]) == 1
}
