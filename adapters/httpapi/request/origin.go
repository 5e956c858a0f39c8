package request

import (
	"net/url"
	"strings"
)

// Header are the fields of a request. http.Header is one.
type Header interface {
	// Values are those of a field, in their order, by its canonical name, such as
	// X-Request-Id.
	Values(name string) []string
}

// Answer are the fields of an answer, until that is written. http.Header is one.
type Answer interface {
	Get(name string) string
	Set(name, value string)
}

// first is the first value of a field; empty for none.
func first(header Header, name string) string {
	if values := header.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// IsForeignOrigin reports whether a request for a host names an Origin that isn't this host.
func IsForeignOrigin(header Header, host string) bool { return namesForeign(header, "Origin", host) }

// IsFromOtherSite reports whether a request for a host is one that a browser sends for a
// page of another site. It goes by the Origin, or the Referer, where the browser does not
// name the site: it does so over TLS and on loopback only. Requests of images have no
// Origin.
func IsFromOtherSite(header Header, host string) bool {
	if site := first(header, "Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	if first(header, "Origin") != "" {
		return IsForeignOrigin(header, host)
	}
	return namesForeign(header, "Referer", host)
}

// OriginOf is the origin of the page for which a browser sends a request: its Origin, or
// else that of its Referer. It is empty where the browser names none.
func OriginOf(header Header) string {
	if origin := first(header, "Origin"); origin != "" {
		return origin
	}
	u, err := url.Parse(first(header, "Referer"))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// namesForeign reports whether a field names anything but a URL of a host.
func namesForeign(header Header, name, host string) bool {
	for _, value := range header.Values(name) {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}
