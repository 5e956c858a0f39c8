package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// replies writes answers. It keeps the values of headers as slices that all
// answers share, so nothing may change them.
type replies struct {
	jsonType, textType, noStore []string
}

func newReplies() replies {
	return replies{
		jsonType: []string{"application/json"},
		textType: []string{"text/plain; charset=utf-8"},
		noStore:  []string{"no-store"},
	}
}

// raw answers 200 with a body that is JSON.
func (p *replies) raw(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = p.jsonType, p.noStore
	// A caller that is gone isn't told; what was done stays done.
	_, _ = w.Write(body)
	return nil
}

// json answers 200 with v.
func (p *replies) json(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return p.raw(w, body)
}

// text answers with a bare word.
func (p *replies) text(w http.ResponseWriter, status int, word []byte) {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = p.textType, p.noStore
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	_, _ = w.Write(word)
}

// fail answers with a fault: as a problem (RFC 9457), or as the text "failed"
// on a route that speaks plain text.
func (p *replies) fail(w http.ResponseWriter, f fault, plain bool) {
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if plain {
		p.text(w, f.status, []byte("failed"))
		return
	}
	h.Set("Content-Type", "application/problem+json")
	h["Cache-Control"] = p.noStore
	// Strings and a number always encode.
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		// Reasons is an extension that one route has.
		Reasons []string `json:"reasons,omitempty"`
	}{"about:blank", http.StatusText(f.status), f.status, f.detail, f.code, f.reasons})
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}

// appendEscaped appends s as it stands between the quotes of a JSON string.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted[1:len(quoted)-1]...)
		}
	}
	return append(b, s...)
}
