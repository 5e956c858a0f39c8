package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"footfall/adapters/httpapi/problem"
)

// replies writes answers. Errors of writing are ignored: the caller has
// disconnected, and what was done stays done.
type replies struct {
	// All answers share these values of headers, so nothing may change them.
	jsonType, textType, noStore []string
}

func newReplies() replies {
	return replies{
		jsonType: []string{"application/json"},
		textType: []string{"text/plain; charset=utf-8"},
		noStore:  []string{"no-store"},
	}
}

// succeed answers 200. A body whose Content-Type isn't set is JSON or plain text.
func (p *replies) succeed(w http.ResponseWriter, body []byte, plain bool) {
	h := w.Header()
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"], h["Cache-Control"] = p.jsonType, p.noStore
		if plain {
			h["Content-Type"] = p.textType
		}
	}
	_, _ = w.Write(body)
}

// Fail answers with a fault: as a problem, or as the text "failed" on a route
// that speaks plain text.
func (p *replies) Fail(w http.ResponseWriter, f problem.Fault, plain bool) {
	h := w.Header()
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	h["Content-Type"], h["Cache-Control"] = p.textType, p.noStore
	body := []byte("failed")
	if !plain {
		h.Set("Content-Type", "application/problem+json")
		body = f.JSON(http.StatusText(f.Status))
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write(body)
}

// ReadBody reads a body of at most limit bytes. Its errors are the faults
// too_large and bad_body.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	over := problem.TooLarge("The body has more than " + strconv.FormatInt(limit, 10) + " bytes.")
	if r.ContentLength > limit {
		return nil, over
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, over
	case err != nil:
		return nil, problem.BadRequest("bad_body", "The body could not be read to its end.")
	}
	return body, nil
}
