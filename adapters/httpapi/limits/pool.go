// Package limits bounds how much callers may take at a time, and how often. It
// knows no HTTP library, so that another adapter for HTTP may use it.
package limits

import (
	"net/netip"
	"strings"
	"sync"

	"footfall/adapters/httpapi/problem"
)

// The bounds that refuse a caller: that of its client, or that of all clients together.
const (
	BoundClient = "client"
	BoundTotal  = "total"
)

// Pool is a resource that callers hold for some time. All of them hold Total of it at
// most, and one client Share. A bound of 0 is none; a nil Pool has none. The fields do not
// change after the first call. It is safe for concurrent use.
type Pool struct {
	// Resource names it in metrics and refusals.
	Resource     string
	Total, Share int64
	// RetryAfter is in seconds, for those that are refused; 0 is 1.
	RetryAfter int
	// Refused notes callers that are refused. It may be nil.
	Refused *Refusals

	mu     sync.Mutex
	held   int64
	heldBy map[netip.Prefix]int64
}

// Acquire takes n for a client. Release must follow unless it returns an error, which is
// the fault client_limit (429) or overloaded (503). The zero client has no share: only the
// total bounds it.
func (p *Pool) Acquire(client netip.Prefix, n int64) error {
	if p == nil {
		return nil
	}
	bound := p.take(client, n)
	if bound == "" {
		return nil
	}
	p.Refused.Note(p.Resource, bound, client)
	what := strings.ReplaceAll(p.Resource, "_", " ")
	after := max(1, p.RetryAfter)
	if bound == BoundClient {
		return problem.ClientLimit("This client has too many "+what+" at once; this one changed nothing.", after)
	}
	return problem.Unavailable("overloaded", "Too many "+what+" at once; this one changed nothing.", after)
}

// take returns the bound that refuses n, empty if it was taken.
func (p *Pool) take(client netip.Prefix, n int64) (bound string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shared := p.Share > 0 && client.IsValid()
	if shared && p.heldBy[client]+n > p.Share {
		return BoundClient
	}
	if p.Total > 0 && p.held+n > p.Total {
		return BoundTotal
	}
	p.held += n
	if shared {
		if p.heldBy == nil {
			p.heldBy = make(map[netip.Prefix]int64)
		}
		p.heldBy[client] += n
	}
	return ""
}

// Release gives back n of what a client has acquired.
func (p *Pool) Release(client netip.Prefix, n int64) {
	if p == nil || n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= n
	if p.Share == 0 || !client.IsValid() {
		return
	}
	if p.heldBy[client] -= n; p.heldBy[client] <= 0 {
		delete(p.heldBy, client)
	}
}
