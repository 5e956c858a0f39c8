package httpapi

import (
	"net/http"

	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/problem"
)

// isUnambiguous refuses a request that a proxy may read in another way, such as one that
// says twice where its body ends: the proxy sees other requests on the connection. So that
// is closed (RFC 9112, 6.1). It is also closed after a chunked body if a part of its header
// was not looked at.
func isUnambiguous(w http.ResponseWriter, r *http.Request) bool {
	c := netconn.Of(r.Context())
	if c == nil {
		return true
	}
	unseen, refused := c.Framing(r.ContentLength, nil)
	if refused != nil {
		w.Header().Set("Connection", "close")
		fail(w, problem.Of(refused, false))
		return false
	}
	if unseen && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
	return true
}
