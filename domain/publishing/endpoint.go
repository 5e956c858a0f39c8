package publishing

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxEndpointBytes is the length of the longest endpoint, in bytes, as given
// and as kept.
const MaxEndpointBytes = 2048

var (
	// ErrBadEndpoint is wrapped by every error of ParseEndpoint.
	ErrBadEndpoint = errors.New("bad endpoint")
	// ErrForbidden is wrapped by errors about endpoints that must not be called.
	ErrForbidden = errors.New("forbidden endpoint")
)

// Endpoint is an absolute URL to notify of a window's count, as normalised by
// ParseEndpoint.
type Endpoint string

// ParseEndpoint checks a URL and normalises it. So every later parser reads the same,
// and endpoints that are called in the same way are one. It has to have: scheme
// http or https; a host in ASCII without empty labels (so no dot at its end) or percent
// signs; port 80, 443 or from 1024; no userinfo; no fragment. The host is lowered, and
// what no URL may contain is percent-encoded: {id} and %7Bid%7D are the same. The result
// parses to itself.
func ParseEndpoint(s string) (Endpoint, error) {
	if len(s) > MaxEndpointBytes {
		return "", tooLong()
	}
	u, err := Endpoint(s).URL()
	if err != nil {
		return "", err
	}
	out := Endpoint(u.String())
	if len(out) > MaxEndpointBytes {
		return "", tooLong()
	}
	return out, nil
}

// URL checks and normalises the endpoint as ParseEndpoint does, whatever its length: an
// earlier version has stored endpoints that are longer when they are percent-encoded.
func (e Endpoint) URL() (*url.URL, error) {
	s := string(e)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == ' ' || r == '\\' }) {
		return nil, badEndpoint("it has a character that no URL has")
	}
	u, err := url.Parse(encodeAfterHost(s))
	if err != nil {
		return nil, badEndpoint("it is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, badEndpoint("its scheme is not http or https")
	case u.Host == "":
		return nil, badEndpoint("it has no host")
	case u.User != nil:
		return nil, badEndpoint("it has a user")
	case strings.Contains(s, "#"):
		return nil, badEndpoint("it has a fragment")
	case !goodHost(u.Hostname()):
		return nil, badEndpoint("its host is not a name or an address in plain ASCII")
	case strings.HasSuffix(u.Host, ":") || !goodPort(u.Port()):
		return nil, badEndpoint("its port is not 80, 443, or from 1024 to 65535")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func badEndpoint(why string) error { return fmt.Errorf("%w: %s", ErrBadEndpoint, why) }

func tooLong() error {
	return badEndpoint("it has more than " + strconv.Itoa(MaxEndpointBytes) + " bytes")
}

// Host is the host of the endpoint, with the port if it has one.
func (e Endpoint) Host() string {
	_, rest, _ := strings.Cut(string(e), "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// Target is the host without a port, for limits: a name, an IPv4 address, or the first 64
// bits of an IPv6 address.
func (e Endpoint) Target() string {
	u, err := e.URL()
	if err != nil {
		return ""
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return u.Hostname()
	}
	return NetworkOf(a).String()
}

// NetworkOf is what a limit takes for one address: an IPv4 address, or the first 64 bits of
// an IPv6 address.
func NetworkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	network, _ := a.Prefix(min(a.BitLen(), 64)) // the length is right
	return network
}

// Redacted is the endpoint without its query, for logs.
func (e Endpoint) Redacted() string {
	before, _, _ := strings.Cut(string(e), "?")
	return before
}

// encodeAfterHost percent-encodes the bytes of path and query that RFC 3986 permits in
// neither. What is valid or percent-encoded stays as it is. In a path, a percent sign
// that begins no encoded byte is left for url.Parse to refuse.
func encodeAfterHost(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	begin := strings.IndexAny(rest, "/?")
	if begin < 0 {
		return s
	}
	begin += len(scheme) + len("://")
	const valid = "-._~!$&'()*+,;=:@/?#" // a fragment is refused later
	query := strings.IndexByte(s[begin:], '?') + begin
	var b strings.Builder
	b.WriteString(s[:begin])
	for i := begin; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(valid, c) >= 0,
			c == '%' && (query < begin || i < query || isEncoded(s[i:])):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// isEncoded reports whether s begins with a percent-encoded byte.
func isEncoded(s string) bool {
	if len(s) < 3 {
		return false
	}
	_, err := strconv.ParseUint(s[1:3], 16, 8)
	return err == nil
}

func goodPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && port[0] != '0' && (n == 80 || n == 443 || n >= 1024)
}

// goodHost accepts labels of letters, digits, hyphens and underscores, and IPv6
// addresses without a zone. Odd spellings of IPv4 addresses (127.1, 0x7f000001) are
// left to the guard at connect time. The host must be lowered only after this check:
// that turns some letters into ASCII.
func goodHost(host string) bool {
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Zone() == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return false
		}
	}
	return len(host) <= 253
}

func notInLabel(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
}
