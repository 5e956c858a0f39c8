package httpapi

import (
	"crypto/rand"
	"net/http"
)

const requestIDHeader = "X-Request-Id"

// requestID names a request in the log, and in its answer by the header of this
// name, unless the answer has begun. A caller may give the id; one that is too
// long or has odd characters is replaced. Only requests that are logged get
// one: the others need none.
func requestID(w http.ResponseWriter, r *http.Request) string {
	if id := w.Header().Get(requestIDHeader); id != "" {
		return id
	}
	id := r.Header.Get(requestIDHeader)
	if !plainID(id) {
		id = rand.Text()[:16]
	}
	w.Header().Set(requestIDHeader, id)
	return id
}

// plainID tells whether an id can stand in a log as it is.
func plainID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}
