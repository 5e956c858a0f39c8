package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"footfall/adapters/httpapi/problem"
)

// Replies writes answers. Errors of writing are ignored: the caller has
// disconnected, and what was done stays done.
type Replies struct {
	// All answers share these values of headers, so nothing may change them.
	jsonType, textType, noStore []string
}

// NewReplies makes one.
func NewReplies() Replies {
	return Replies{
		jsonType: []string{"application/json"},
		textType: []string{"text/plain; charset=utf-8"},
		noStore:  []string{"no-store"},
	}
}

// RawJSON answers 200 with a body that is JSON.
func (p *Replies) RawJSON(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = p.jsonType, p.noStore
	_, _ = w.Write(body)
	return nil
}

// JSON answers 200 with v.
func (p *Replies) JSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return p.RawJSON(w, body)
}

// Text answers with a bare word.
func (p *Replies) Text(w http.ResponseWriter, status int, word []byte) {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = p.textType, p.noStore
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	_, _ = w.Write(word)
}

// Fail answers with a fault: as a problem, or as the text "failed" on a route
// that speaks plain text.
func (p *Replies) Fail(w http.ResponseWriter, f problem.Fault, plain bool) {
	h := w.Header()
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if plain {
		p.Text(w, f.Status, []byte("failed"))
		return
	}
	h.Set("Content-Type", "application/problem+json")
	h["Cache-Control"] = p.noStore
	w.WriteHeader(f.Status)
	_, _ = w.Write(f.JSON(http.StatusText(f.Status)))
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
