package httpapi

import (
	"net/http"
	"strconv"

	"footfall/adapters/httpapi/problem"
)

// ErrorHeader has the code of a fault where the body has only the text "failed".
const ErrorHeader = "X-Footfall-Error"

// Errors of writing are ignored here: the caller has disconnected, and what was
// done stays done.

// succeed answers 200. A body whose Content-Type isn't set is JSON or plain text.
func (h *Handler) succeed(w http.ResponseWriter, body []byte, plain bool) {
	header := w.Header()
	if len(header["Content-Type"]) == 0 {
		header["Content-Type"], header["Cache-Control"] = h.jsonType, h.noStore
		if plain {
			header["Content-Type"] = h.textType
		}
	}
	_, _ = w.Write(body)
}

// Fail answers with a fault: as a problem, or on a route that speaks plain text
// as the text "failed" with an ErrorHeader.
func (h *Handler) Fail(w http.ResponseWriter, f problem.Fault, plain bool) {
	if !plain {
		fail(w, f)
		return
	}
	header := w.Header()
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	header["Content-Type"], header["Cache-Control"] = h.textType, h.noStore
	header.Set(ErrorHeader, f.Code)
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte("failed"))
}

// fail answers with a fault as a problem.
func fail(w http.ResponseWriter, f problem.Fault) {
	header := w.Header()
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(f.Status)
	_, _ = w.Write(f.JSON())
}
