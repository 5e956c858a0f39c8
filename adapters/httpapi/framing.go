package httpapi

import (
	"net/http"

	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/problem"
)

// hasOneLength refuses a request that says twice where its body ends, by Content-Length
// and by Transfer-Encoding: a proxy that took the other one sees other requests on the
// connection. So that is closed (RFC 9112, 6.1). It is also closed after a chunked body if
// a part of its header was not looked at.
func hasOneLength(w http.ResponseWriter, r *http.Request) bool {
	c := netconn.Of(r.Context())
	if c == nil {
		return true
	}
	both, unseen := c.Framing(r.ContentLength)
	if both {
		w.Header().Set("Connection", "close")
		fail(w, problem.BadRequest("two_lengths", "A request has a Content-Length or a Transfer-Encoding, not both."))
		return false
	}
	if unseen && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
	return true
}
