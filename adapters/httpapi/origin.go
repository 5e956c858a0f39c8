package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// IsForeignOrigin reports whether a request names an Origin that isn't the requested host.
func IsForeignOrigin(r *http.Request) bool { return namesForeign(r, "Origin") }

// IsForeignReferer reports the same of a Referer.
func IsForeignReferer(r *http.Request) bool { return namesForeign(r, "Referer") }

// namesForeign reports whether a header names anything but a URL of the requested host.
func namesForeign(r *http.Request, header string) bool {
	for _, value := range r.Header.Values(header) {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}
