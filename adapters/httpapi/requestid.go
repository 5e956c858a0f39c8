package httpapi

import (
	"crypto/rand"
	"net/http"
	"regexp"
)

// RequestIDHeader is the header of a request's id.
const RequestIDHeader = "X-Request-Id"

// plainID matches an id that can stand in a log as it is.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// RequestID is the id of a request in the log, and in the header of its answer
// unless the answer has begun. A caller may choose the id; one that is longer
// than 64 bytes or has other characters than A-Z a-z 0-9 - _ . is replaced. Only
// requests that are logged have an id.
func RequestID(w http.ResponseWriter, r *http.Request) string {
	if id := w.Header().Get(RequestIDHeader); id != "" {
		return id
	}
	id := r.Header.Get(RequestIDHeader)
	if !plainID.MatchString(id) {
		id = rand.Text()[:16]
	}
	w.Header().Set(RequestIDHeader, id)
	return id
}
