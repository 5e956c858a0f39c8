package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// IsForeignOrigin reports whether a request names an Origin that isn't the requested host.
func IsForeignOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}
