package httpcallback

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"footfall/domain/publishing"
)

// errSkipped: an address was not connected to, because of its limit or its pause.
var errSkipped = errors.New("skipped")

// maxTried bounds the addresses to which one attempt connects: a name may have many.
const maxTried = 4

// route is the way of one attempt to the addresses of a host. It is safe for concurrent
// use, since a dialer connects to two addresses at a time.
type route struct {
	*Notifier
	limits   *addresses
	pauses   bool // its failures begin pauses, which hold it
	host     string
	endpoint publishing.Endpoint
	report   string

	mu     sync.Mutex
	ended  bool
	held   []*connection    // of this attempt, also those that have ended
	tried  []netip.AddrPort // are connected to
	again  deferral         // of an address at its limit
	paused time.Time        // when the pause of an address is over
	at     netip.AddrPort   // is that address

	to netip.AddrPort // is connected to, if the attempt has a connection
}

// end ends what the attempt has begun.
func (r *route) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, c := range r.held {
		r.limits.release(c)
	}
	r.held = nil
}

// control is the Control function of a dialer. It checks every address right before the
// connection, when names are resolved.
func (r *route) control(network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return forbidden("it resolves to no TCP address")
	}
	return r.admit(ap)
}

// admit checks an address, and counts a connection to it.
func (r *route) admit(ap netip.AddrPort) error {
	if port := ap.Port(); port != 80 && port != 443 && port < 1024 {
		return forbidden("its port is not 80, 443, or from 1024")
	}
	if err := r.checkAddress(ap.Addr(), r.host); err != nil {
		return err
	}
	return r.begin(plain(ap))
}

// plain is an address and port in the one spelling under which failures are kept.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// begin checks the pause and the limit of an address, and counts a connection to it.
func (r *route) begin(to netip.AddrPort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.ended || len(r.tried) == maxTried {
		return errSkipped
	}
	if until, paused := r.failures.until(to.String(), now); paused && r.pauses {
		r.paused, r.at = until, to
		return errSkipped
	}
	c, again := r.limits.acquire(r.target(to), now)
	if c == nil {
		if r.again.until.IsZero() || again.until.Before(r.again.until) {
			r.again = again
		}
		return errSkipped
	}
	r.held = append(r.held, c)
	r.tried = append(r.tried, to)
	return nil
}

func (r *route) target(to netip.AddrPort) target {
	return target{publishing.NetworkOf(to.Addr()), r.endpoint, r.report}
}

// accepted notes that the endpoint has accepted its report.
func (r *route) accepted() { r.addresses.accept(r.target(r.to)) }

// connect dials the host of u, with TLS for https. It ends when ctx does, and closes what
// it opened if it fails. Errors: errSkipped if an address was not connected to because of
// its limit, or none was because of limits and pauses.
func (r *route) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	port, err := strconv.ParseUint(cmp.Or(u.Port(), portOf(u.Scheme)), 10, 16)
	if err != nil {
		return nil, forbidden("its port is no number")
	}
	began := time.Now()
	conn, err := r.dial(ctx, uint16(port))
	if err != nil {
		return nil, r.unreached(ctx, time.Since(began), err)
	}
	r.failures.succeeded(r.to.String())
	if u.Scheme == "http" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: r.host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// dial connects to the host.
func (r *route) dial(ctx context.Context, port uint16) (net.Conn, error) {
	if r.proxy != (Proxy{}) {
		return r.dialVia(ctx, port)
	}
	conn, err := r.dialer().DialContext(ctx, "tcp", net.JoinHostPort(r.host, strconv.Itoa(int(port))))
	if err == nil {
		r.to = plain(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	}
	return conn, err
}

// dialer checks every address to which it connects.
func (r *route) dialer() *net.Dialer {
	return &net.Dialer{Resolver: r.resolver, Control: r.control, KeepAlive: -1}
}

// unreached notes the addresses to which no connection was made, and returns why.
func (r *route) unreached(ctx context.Context, took time.Duration, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pauses && len(r.tried) > 0 && localFault(err) == nil && !isProxysFault(err) && !r.cutShort(ctx, took) {
		for _, to := range r.tried {
			r.failures.failed(to.String(), r.now())
		}
	}
	if !r.again.until.IsZero() { // that address may be the one that answers
		return errSkipped
	}
	if errors.Is(err, errSkipped) && len(r.tried) > 0 { // the first of several addresses was
		return fmt.Errorf("connect to %s: no connection", r.tried[0])
	}
	return err
}

// cutShort reports whether an attempt that took so long ended early, so that it proves
// nothing: it was cancelled, or had a small share of the time.
func (n *Notifier) cutShort(ctx context.Context, took time.Duration) bool {
	return ctx.Err() != nil && (!errors.Is(ctx.Err(), context.DeadlineExceeded) || took < n.timeout/2)
}

// skipped is the attempt that was not made: a limit that ends comes first.
func (r *route) skipped() publishing.Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.again.until.IsZero() {
		return publishing.Attempt{Outcome: publishing.Deferred, Until: r.again.until, Address: r.again.limit, Err: publishing.ErrLimited}
	}
	return paused(r.paused, "its address "+r.at.String()+" does not answer")
}

// paused is the attempt at something that is paused.
func paused(until time.Time, why string) publishing.Attempt {
	return publishing.Attempt{
		Outcome: publishing.Paused, Until: until,
		Err: fmt.Errorf("%w until %s: %s", publishing.ErrPaused, until.UTC().Format(time.RFC3339), why),
	}
}

// failures is what failed last, for concurrent use.
type failures struct {
	mu     sync.Mutex
	pauses *publishing.Pauses
}

func (f *failures) until(name string, now time.Time) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pauses.Until(name, now)
}

func (f *failures) failed(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pauses.Failed(name, now, rand.Float64())
}

func (f *failures) gone(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pauses.Gone(name, now)
}

func (f *failures) succeeded(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pauses.Succeeded(name)
}
