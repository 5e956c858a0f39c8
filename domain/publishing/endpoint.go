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

// ParseEndpoint checks a URL and normalises it to ASCII, so that every later parser
// reads the same. It has to have: scheme http or https; a host in ASCII without empty
// labels (so no dot at its end) or percent signs; port 80, 443 or from 1024; no
// userinfo; no fragment. The result parses to itself.
func ParseEndpoint(s string) (Endpoint, error) {
	bad := func(why string) (Endpoint, error) { return "", fmt.Errorf("%w: %s", ErrBadEndpoint, why) }
	if len(s) > MaxEndpointBytes {
		return bad("it has more than " + strconv.Itoa(MaxEndpointBytes) + " bytes")
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == ' ' || r == '\\' }) {
		return bad("it has a character that no URL has")
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("it is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("its scheme is not http or https")
	case u.Host == "":
		return bad("it has no host")
	case u.User != nil:
		return bad("it has a user")
	case strings.Contains(s, "#"):
		return bad("it has a fragment")
	case !goodHost(u.Hostname()):
		return bad("its host is not a name or an address in plain ASCII")
	case strings.HasSuffix(u.Host, ":") || !goodPort(u.Port()):
		return bad("its port is not 80, 443, or from 1024 to 65535")
	}
	u.Host = strings.ToLower(u.Host)
	u.RawQuery = escapeBeyondASCII(u.RawQuery)
	out := u.String()
	if len(out) > MaxEndpointBytes {
		return bad("it has more than " + strconv.Itoa(MaxEndpointBytes) + " bytes")
	}
	return Endpoint(out), nil
}

// Host is the host of the endpoint, with the port if it has one.
func (e Endpoint) Host() string {
	_, rest, _ := strings.Cut(string(e), "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// Redacted is the endpoint without its query, for logs.
func (e Endpoint) Redacted() string {
	before, _, _ := strings.Cut(string(e), "?")
	return before
}

// escapeBeyondASCII does for a query what url.URL does for a path.
func escapeBeyondASCII(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
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
