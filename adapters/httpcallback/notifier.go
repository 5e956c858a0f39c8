// Package httpcallback delivers the count of a window to endpoints.
//
// Format: one POST of the report's JSON over HTTP/1.1, with webhook-id and
// webhook-timestamp, and with the count in the query too. With a secret it is
// signed. Delivery: one attempt a delivery, on a connection of its own. Failure:
// publishing.Attempt says what happened. It follows no redirects and uses no
// proxies. It checks every address at connect time.
package httpcallback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"code.dny.dev/ssrf"

	"footfall/domain/publishing"
)

var _ publishing.Notifier = (*Notifier)(nil)

// Options of a Notifier. The zero value is usable.
type Options struct {
	// Timeout bounds an attempt, from the look-up of the host to the last
	// byte of the answer that is read; 0 means 10 s.
	Timeout time.Duration
	// Secrets sign every request; without one there is no signature.
	Secrets Secrets
	// Resolver looks hosts up; nil means Go's resolver with the system's
	// configuration.
	Resolver *net.Resolver
}

// Notifier calls endpoints. It is safe for concurrent use. When Notify has
// returned, it leaves no connection and no goroutine.
type Notifier struct {
	policy   Policy
	public   *ssrf.Guardian // knows the addresses of the public internet
	timeout  time.Duration
	secrets  Secrets
	resolver *net.Resolver
}

// New returns a notifier that calls only endpoints that the policy permits.
func New(p Policy, o Options) *Notifier {
	// Every machine on Azure reaches Azure's agent at this address, which
	// is public by all registries.
	azure := netip.PrefixFrom(netip.AddrFrom4([4]byte{168, 63, 129, 16}), 32)
	return &Notifier{
		policy:  p,
		public:  ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azure)),
		timeout: cmp.Or(o.Timeout, 10*time.Second),
		secrets: o.Secrets,
		// The C library's resolver ignores the context, so a slow name
		// server would block a thread.
		resolver: cmp.Or(o.Resolver, &net.Resolver{PreferGo: true}),
	}
}

// Permits returns an error for addresses that the policy forbids, unusual
// spellings of addresses, names of this machine, and hosts that are on no list.
// A permitted name may still resolve to an address that Notify refuses.
func (n *Notifier) Permits(e publishing.Endpoint) error {
	_, err := n.parse(e)
	return err
}

// Notify makes one attempt. An answer that ends early after its header counts as
// an answer.
//
// Unsent attempts are those for which the system had no file, no port or no memory.
//
// Errors: the attempt's error says in a few words what failed. It has no query,
// no local address and no name server.
func (n *Notifier) Notify(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	began := time.Now()
	a, err := n.attempt(ctx, r, e)
	a.Unsent = errors.Is(err, errUnsent)
	a.ReportID, a.Number, a.Endpoint, a.Err = r.ID, number, e, err
	a.Outcome, a.HostFailed = Classify(a.Status, err)
	a.HostFailed = a.HostFailed && !a.Unsent
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
	conn, err := n.connect(ctx, u)
	if err != nil {
		return a, explain(ctx, err)
	}
	// Closing the connection ends all reads and writes on it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	a, err = exchange(conn, n.request(u, r, time.Now()))
	return a, explain(ctx, err)
}

// parse validates the endpoint again, because it comes from a store.
func (n *Notifier) parse(e publishing.Endpoint) (*url.URL, error) {
	u, err := e.URL()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", publishing.ErrForbidden, err)
	}
	return u, n.checkHost(u.Hostname())
}
