package httpapi

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"footfall/domain/counting"
)

// pageRoutes serves what changes and lists pages on the admin listener.
type pageRoutes struct {
	replies
	pages Pages
}

// pageJSON is a page with its count; Count is nil where it can't be read.
type pageJSON struct {
	PageID string `json:"page_id"`
	Count  *int64 `json:"count"`
}

// list serves GET /pages.
func (p *pageRoutes) list(w http.ResponseWriter, r *http.Request, _ string) error {
	cursor, _, err := oneParam(r.URL.RawQuery, "cursor")
	if err != nil {
		return err
	}
	pages, next, err := p.pages.List(r.Context(), cursor)
	if err != nil {
		return err
	}
	listed := make([]pageJSON, len(pages))
	for i := range pages {
		listed[i].PageID = string(pages[i].Page)
		if pages[i].Count >= 0 {
			listed[i].Count = &pages[i].Count
		}
	}
	return p.json(w, struct {
		Pages []pageJSON `json:"pages"`
		Next  string     `json:"next"`
	}{listed, next})
}

// set serves PUT /pages/{page_id}.
func (p *pageRoutes) set(w http.ResponseWriter, r *http.Request, param string) error {
	page, err := parsePage(param)
	if err != nil {
		return err
	}
	body, err := jsonBody(w, r)
	if err != nil {
		return err
	}
	var given struct {
		Count *int64 `json:"count"`
	}
	if err := strictly(body, &given); err != nil || given.Count == nil || *given.Count < 0 {
		return badRequest("bad_count", "The body is an object with count, an integer from 0 to 2^63-1, and nothing else.")
	}
	return p.one(w, r, counting.SetCount{Page: page, Count: *given.Count})
}

// remove serves DELETE /pages/{page_id}.
func (p *pageRoutes) remove(w http.ResponseWriter, r *http.Request, param string) error {
	page, err := parsePage(param)
	if err != nil {
		return err
	}
	return p.one(w, r, counting.SetCount{Page: page, Delete: true})
}

// one answers for one page with what it reads from now on.
func (p *pageRoutes) one(w http.ResponseWriter, r *http.Request, s counting.SetCount) error {
	if err := p.pages.SetAll(r.Context(), []counting.SetCount{s})[0]; err != nil {
		return err
	}
	return p.json(w, pageJSON{PageID: string(s.Page), Count: &s.Count})
}

// setMany serves POST /pages: an array of pages with their counts. It is read
// as a whole before anything is set.
func (p *pageRoutes) setMany(w http.ResponseWriter, r *http.Request, _ string) error {
	body, err := jsonBody(w, r)
	if err != nil {
		return err
	}
	malformed := badRequest("bad_body", "The body is no JSON array of objects with page_id and count.")
	var given []pageJSON
	if err := strictly(body, &given); err != nil {
		return malformed
	}
	if len(given) > maxBulkItems {
		return tooManyItems()
	}
	settings := make([]counting.SetCount, len(given))
	for i, g := range given {
		page, err := parsePage(g.PageID)
		switch {
		case err != nil:
			return err
		case g.Count == nil || *g.Count < 0:
			return badRequest("bad_count", "A count is an integer from 0 to 2^63-1.")
		case strings.ContainsRune(g.PageID, utf8.RuneError) && !spellsReplacement(body):
			return malformed
		}
		settings[i] = counting.SetCount{Page: page, Count: *g.Count}
	}
	for _, err := range p.pages.SetAll(r.Context(), settings) {
		if err != nil {
			return err // others may be set: to send it all again does no harm
		}
	}
	return p.json(w, struct {
		Set int `json:"set"`
	}{len(settings)})
}

// jsonBody reads a body that no page of another origin can send unasked.
func jsonBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, fault{status: http.StatusUnsupportedMediaType, code: "not_json", detail: "A change is sent as application/json."}
	}
	return readBody(w, r)
}

// strictly reads one value and nothing else.
func strictly(body []byte, into any) error {
	if !utf8.Valid(body) {
		return badItem("The body is not valid UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return badItem("The body has more than one value.")
	}
	return nil
}
