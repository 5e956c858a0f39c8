package httpcallback

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Proxy is an HTTP proxy that opens connections for CONNECT (RFC 9110, 9.3.6), with TLS if it is
// secure. The zero value is none. Its formats hide user and password.
type Proxy struct {
	host, port    string
	secure        bool
	authorization string // the value of Proxy-Authorization, empty for none
}

// ParseProxy reads http://[user:password@]host[:port] and https://, with the ports 80 and
// 443 if they are not given. An empty text is none. Errors do not quote the text.
func ParseProxy(text string) (Proxy, error) {
	if text == "" {
		return Proxy{}, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return Proxy{}, errors.New("want http://host:port or https://host:port, with user:password@ before the host if the proxy wants them, percent-encoded")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Proxy{}, errors.New("it has a path, a query or a fragment, want none")
	}
	p := Proxy{host: u.Hostname(), port: cmp.Or(u.Port(), portOf(u.Scheme)), secure: u.Scheme == "https"}
	if n, err := strconv.ParseUint(p.port, 10, 16); err != nil || n == 0 {
		return Proxy{}, errors.New("its port is no number from 1 to 65535")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		if strings.Contains(u.User.Username(), ":") {
			return Proxy{}, errors.New("its user has a colon")
		}
		p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p, nil
}

// Format hides user and password from every verb of fmt.
func (Proxy) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("proxy")) }

func portOf(scheme string) string { return map[string]string{"http": "80", "https": "443"}[scheme] }

// proxyError is why there is no connection through the proxy.
type proxyError struct {
	cause error
	// target: it may be the fault of the address behind the proxy.
	target bool
}

func (e proxyError) Error() string { return "the proxy: " + e.cause.Error() }

// isProxysFault reports whether an attempt failed because of the proxy alone.
func isProxysFault(err error) bool {
	e, ok := errors.AsType[proxyError](err)
	return ok && !e.target
}

// dialVia connects to the host by way of the proxy. It resolves the name, and the proxy gets
// an address that was checked: so the proxy can't take the name for another one. An address
// that is not of the public internet, which only a CIDR of the policy opens, is connected to directly.
func (r *route) dialVia(ctx context.Context, port uint16) (net.Conn, error) {
	found, err := r.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	var first error
	for _, a := range found {
		to := plain(netip.AddrPortFrom(a, port))
		conn, err := r.dialAddress(ctx, to)
		if err == nil {
			r.to = to
			return conn, nil
		}
		first = cmp.Or(first, err)
		if ctx.Err() != nil || isProxysFault(err) {
			break
		}
	}
	return nil, first
}

func (r *route) lookUp(ctx context.Context) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(r.host); err == nil {
		return []netip.Addr{a}, nil
	}
	return r.resolver.LookupNetIP(ctx, "ip", r.host)
}

func (r *route) dialAddress(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if !r.isPublic(to.Addr()) {
		return r.dialer().DialContext(ctx, "tcp", to.String())
	}
	if err := r.admit(to); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err} // as a dialer says it
	}
	return r.proxy.connect(ctx, r.Notifier, to)
}

// connect opens a connection to an address. It ends when ctx does.
func (p Proxy) connect(ctx context.Context, n *Notifier, to netip.AddrPort) (net.Conn, error) {
	conn, err := p.reach(ctx, n.resolver)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = p.ask(conn, n.userAgent, to)
	if !stop() && err == nil { // it is closed
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		// A proxy that does not answer may wait for the address.
		return nil, proxyError{err, ctx.Err() != nil || errors.Is(err, errUnreachable)}
	}
	return conn, nil
}

// reach connects to the proxy itself, whose address is the operator's choice.
func (p Proxy) reach(ctx context.Context, resolver *net.Resolver) (net.Conn, error) {
	dialer := &net.Dialer{Resolver: resolver, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.host, p.port))
	if op, isOp := errors.AsType[*net.OpError](err); isOp && localFault(err) == nil {
		err = &net.OpError{Op: "connect", Err: op.Err} // without its address
	}
	switch {
	case err != nil && localFault(err) != nil:
		return nil, err
	case err != nil:
		return nil, proxyError{cause: err}
	case !p.secure:
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: p.host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, proxyError{cause: err}
	}
	return secure, nil
}

// errUnreachable: the proxy says that it has no connection to the address.
var errUnreachable = errors.New("it has no connection to the address")

// ask sends CONNECT and reads the answer. What follows it on the connection is of the
// address.
func (p Proxy) ask(conn net.Conn, userAgent string, to netip.AddrPort) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(), Header: http.Header{"User-Agent": {userAgent}}}
	if p.authorization != "" {
		req.Header.Set("Proxy-Authorization", p.authorization)
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	limit := &io.LimitedReader{R: conn, N: maxHeader}
	from := bufio.NewReader(limit)
	answer, err := readHeader(from, req)
	if err != nil {
		return err
	}
	limit.N = 0 // else Close would read more
	defer func() { _ = answer.Body.Close() }()
	switch status := answer.StatusCode; {
	case status >= 200 && status <= 299 && from.Buffered() == 0:
		return nil
	case status >= 200 && status <= 299:
		return errors.New("it has sent more than an answer")
	case status == http.StatusProxyAuthRequired:
		return errors.New("it wants another user and password (407)")
	case status >= 500 && status != http.StatusNotImplemented: // some proxies answer 500 where others answer 502
		return fmt.Errorf("%w %s (%d)", errUnreachable, to, status)
	default:
		return fmt.Errorf("it refuses CONNECT (%d)", status)
	}
}
