// Package httpcallback tells endpoints the count of a window.
//
// Format: one POST of the report's JSON over HTTP/1.1, with webhook-id and
// webhook-timestamp, signed where there is a secret, the count in the query
// too. Delivery: one attempt a call, on a connection of its own. Failure:
// publishing.Attempt says what happened. Redirects aren't followed, proxies
// aren't used, and every address is checked when it is connected to.
package httpcallback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"footfall/domain/publishing"
)

var _ publishing.Notifier = (*Notifier)(nil)

// Options of a Notifier; the zero value is fit for service.
type Options struct {
	// Timeout of an attempt, from the look-up of the host to the last byte
	// of the answer that is read; 0 is 10 s.
	Timeout time.Duration
	// Secrets sign every call; none, no signature.
	Secrets Secrets
	// Resolver looks hosts up; nil is that of the system's configuration,
	// in Go.
	Resolver *net.Resolver
}

// Notifier calls endpoints. It keeps no connections and no goroutines: when
// Notify has returned, nothing is left of the call.
type Notifier struct {
	guard    guard
	timeout  time.Duration
	secrets  Secrets
	resolver *net.Resolver
}

// New makes a notifier that calls whom the policy permits.
func New(p Policy, o Options) *Notifier {
	n := &Notifier{guard: newGuard(p), timeout: o.Timeout, secrets: o.Secrets, resolver: o.Resolver}
	if n.timeout == 0 {
		n.timeout = 10 * time.Second
	}
	if n.resolver == nil {
		// The C library's resolver keeps a thread for as long as a slow
		// name server likes, whatever the context says.
		n.resolver = &net.Resolver{PreferGo: true}
	}
	return n
}

// Permits refuses addresses that the policy forbids, odd spellings of
// addresses, this machine by name, and hosts that are on no list. A name that
// it lets pass may still lead to an address that Notify refuses.
func (n *Notifier) Permits(e publishing.Endpoint) error {
	_, err := n.parse(e)
	return err
}

// Notify makes one attempt. Its error tells what failed in a few words; it
// names no query, no local address and no name server. An answer that breaks
// off after its header counts as an answer.
func (n *Notifier) Notify(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	began := time.Now()
	a, err := n.attempt(ctx, r, e)
	a.ReportID, a.Number, a.Endpoint, a.Err = r.ID, number, e, err
	a.Outcome, a.HostFailed = Classify(a.Status, err)
	a.Took = time.Since(began)
	return a
}

// Classify says what an HTTP status, 0 for none, and an error mean for the
// endpoint. Any 2xx is Delivered. 410 and a forbidden endpoint are Refused.
// Everything else is Failed, redirects and other 4xx included: an endpoint may be
// redeployed, or its credentials changed. hostFailed is true when the host did
// not answer, or answered 5xx or more.
func Classify(status int, err error) (outcome publishing.Outcome, hostFailed bool) {
	switch {
	case status >= 200 && status <= 299:
		return publishing.Delivered, false
	case status == http.StatusGone || errors.Is(err, publishing.ErrForbidden):
		return publishing.Refused, false
	}
	return publishing.Failed, status == 0 || status >= http.StatusInternalServerError
}

func (n *Notifier) attempt(ctx context.Context, r publishing.Report, e publishing.Endpoint) (a publishing.Attempt, err error) {
	u, err := n.parse(e)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	req, err := n.request(ctx, u, r, time.Now())
	if err != nil {
		return a, err
	}
	conn, err := n.connect(ctx, u)
	if err != nil {
		return a, explain(ctx, err)
	}
	// Closing the connection ends whatever waits for it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	a, err = exchange(conn, req)
	return a, explain(ctx, err)
}

// parse trusts no endpoint, whoever has kept it meanwhile.
func (n *Notifier) parse(e publishing.Endpoint) (*url.URL, error) {
	same, err := publishing.ParseEndpoint(string(e))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", publishing.ErrForbidden, err)
	}
	u, err := url.Parse(string(same))
	if err != nil {
		return nil, forbidden("it is not a URL")
	}
	return u, n.guard.host(u.Hostname())
}
