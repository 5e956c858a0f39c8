package httpapi

import (
	"crypto/rand"
	"net/http"
)

// RequestIDHeader is the header of a request's id.
const RequestIDHeader = "X-Request-Id"

// RequestID is the id of a request in the log, and in the header of its answer
// unless the answer has begun. A caller may choose the id; one that is longer
// than 64 bytes or has other characters than A-Z a-z 0-9 - _ . is replaced. Only
// requests that are logged have an id.
func RequestID(w http.ResponseWriter, r *http.Request) string {
	if id := w.Header().Get(RequestIDHeader); id != "" {
		return id
	}
	id := r.Header.Get(RequestIDHeader)
	if !plainID(id) {
		id = rand.Text()[:16]
	}
	w.Header().Set(RequestIDHeader, id)
	return id
}

// plainID reports whether an id can stand in a log as it is.
func plainID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}
