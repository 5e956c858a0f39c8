// Package httpcallback delivers the count of a window to endpoints.
//
// Format: one POST of the report's JSON over HTTP/1.1, with webhook-id and
// webhook-timestamp, and with the count in the query too. With a secret it is
// signed. Delivery: one attempt a delivery, on a connection of its own. Failure:
// publishing.Attempt says what happened. It follows no redirects. It uses a proxy only
// if there is one in its options. It checks every address at connect time.
package httpcallback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	// Rate bounds the connections to one address.
	Rate Rate
	// Proxy connects to addresses of the public internet; the zero value is none.
	Proxy Proxy
	// Contact is a URL of the owner, which the User-Agent names; it may be empty.
	Contact Contact
	// Now is the clock of limits and pauses; nil means time.Now.
	Now func() time.Time
}

// Notifier calls endpoints. It is safe for concurrent use. When Notify has
// returned, it leaves no connection and no goroutine.
type Notifier struct {
	policy    Policy
	public    *ssrf.Guardian // knows the addresses of the public internet
	timeout   time.Duration
	secrets   Secrets
	resolver  *net.Resolver
	userAgent string
	proxy     Proxy
	now       func() time.Time
	// addresses bound the connections of Notify, and retried those of Retry.
	addresses, retried *addresses
	// failures are those of endpoints, by their URL, and of addresses with a port.
	failures *failures
}

// New returns a notifier that calls only endpoints that the policy permits.
func New(p Policy, o Options) *Notifier {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	return &Notifier{
		policy:  p,
		public:  ssrf.New(ssrf.WithAnyPort()),
		timeout: cmp.Or(o.Timeout, 10*time.Second),
		secrets: o.Secrets,
		// The C library's resolver ignores the context, so a slow name
		// server would block a thread.
		resolver:  cmp.Or(o.Resolver, &net.Resolver{PreferGo: true}),
		userAgent: o.Contact.userAgent(),
		proxy:     o.Proxy,
		now:       now,
		addresses: newAddresses(o.Rate),
		retried:   newAddresses(o.Rate),
		failures:  &failures{pauses: publishing.NewPauses()},
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
	if until, ok := n.failures.until(string(e), n.now()); ok {
		a := paused(until, "it failed for long, or answered 410")
		a.ReportID, a.Number, a.Endpoint = r.ID, number-1, e
		return a
	}
	return n.notify(ctx, r, e, number, &route{Notifier: n, limits: n.addresses, pauses: true})
}

// Retry makes one attempt, whatever failed before. If it fails, it begins no pause; if it
// succeeds, it ends one.
func (n *Notifier) Retry(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	return n.notify(ctx, r, e, number, &route{Notifier: n, limits: n.retried})
}

func (n *Notifier) notify(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int, way *route) publishing.Attempt {
	began := time.Now()
	a, err := n.attempt(ctx, r, e, way)
	a.ReportID, a.Number, a.Endpoint = r.ID, number, e
	if a.Outcome != "" { // it was not made
		a.Number--
		return a
	}
	a.Unsent, a.Err = errors.Is(err, errUnsent), err
	a.Outcome, a.HostFailed = Classify(a.Status, err)
	a.HostFailed = a.HostFailed && !a.Unsent && !isProxysFault(err)
	a.Took = time.Since(began)
	if way.pauses || a.Outcome == publishing.Delivered {
		n.remember(ctx, a)
	}
	return a
}

// remember notes how an attempt at an endpoint ended.
func (n *Notifier) remember(ctx context.Context, a publishing.Attempt) {
	switch {
	case a.Outcome == publishing.Delivered:
		n.failures.succeeded(string(a.Endpoint))
	case a.Status == http.StatusGone:
		n.failures.gone(string(a.Endpoint), n.now())
	case a.Outcome == publishing.Failed && !a.Unsent && !isProxysFault(a.Err) && (a.Status != 0 || !n.cutShort(ctx, a.Took)):
		n.failures.failed(string(a.Endpoint), n.now())
	}
}

// Paused is how many endpoints and addresses are paused.
func (n *Notifier) Paused() int {
	n.failures.mu.Lock()
	defer n.failures.mu.Unlock()
	return n.failures.pauses.Paused(n.now())
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

func (n *Notifier) attempt(ctx context.Context, r publishing.Report, e publishing.Endpoint, way *route) (a publishing.Attempt, err error) {
	u, err := n.parse(e)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	way.host, way.endpoint, way.report = u.Hostname(), e, r.ID
	defer way.end()
	conn, err := way.connect(ctx, u)
	if errors.Is(err, errSkipped) {
		return way.skipped(), nil
	}
	if err != nil {
		return a, explain(ctx, err)
	}
	// Closing the connection ends all reads and writes on it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	a, err = exchange(conn, n.request(u, r, time.Now()))
	if outcome, _ := Classify(a.Status, err); outcome == publishing.Delivered {
		way.accepted()
	}
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
