package admin

import (
	"errors"
	"net/http"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// pageRoutes lists and changes pages.
type pageRoutes struct {
	httpapi.Replies
	pages Pages
}

// pageJSON is a page with its count; Count is nil where it can't be read.
type pageJSON struct {
	PageID string `json:"page_id"`
	Count  *int64 `json:"count"`
}

// list serves GET /pages.
func (p *pageRoutes) list(w http.ResponseWriter, r *http.Request, _ string) error {
	cursor, _, err := request.Param(r.URL.RawQuery, "cursor")
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
	return p.JSON(w, struct {
		Pages []pageJSON `json:"pages"`
		Next  string     `json:"next"`
	}{listed, next})
}

// set serves PUT /pages/{page_id}.
func (p *pageRoutes) set(w http.ResponseWriter, r *http.Request, name string) error {
	page, err := request.Page(name)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, request.MaxBytes)
	if err != nil {
		return err
	}
	setting := struct {
		Count int64 `json:"count"`
	}{-1}
	if err := request.Object(body, &setting); err != nil || setting.Count < 0 {
		return problem.BadRequest("bad_count", "The body is an object with count, an integer from 0 to 2^63-1, and nothing else.")
	}
	return p.one(w, r, counting.SetCount{Page: page, Count: setting.Count})
}

// remove serves DELETE /pages/{page_id}.
func (p *pageRoutes) remove(w http.ResponseWriter, r *http.Request, name string) error {
	page, err := request.Page(name)
	if err != nil {
		return err
	}
	if r.ContentLength != 0 { // without a body its type does not matter
		if err := readOptional(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	return p.one(w, r, counting.SetCount{Page: page, Delete: true})
}

// one changes one page, and answers with what it reads from now on.
func (p *pageRoutes) one(w http.ResponseWriter, r *http.Request, s counting.SetCount) error {
	if err := p.pages.SetAll(r.Context(), []counting.SetCount{s})[0]; err != nil {
		return err
	}
	return p.JSON(w, pageJSON{PageID: string(s.Page), Count: &s.Count})
}

// setMany serves POST /pages: an array of pages with their counts. It is read
// as a whole before anything is set.
func (p *pageRoutes) setMany(w http.ResponseWriter, r *http.Request, _ string) error {
	body, err := readJSON(w, r, request.MaxBytes)
	if err != nil {
		return err
	}
	settings, err := parseSettings(body)
	if err != nil {
		return err
	}
	for _, err := range p.pages.SetAll(r.Context(), settings) {
		if err != nil {
			return err // others may be set: to send it all again does no harm
		}
	}
	return p.JSON(w, struct {
		Set int `json:"set"`
	}{len(settings)})
}

// parseSettings reads an array of objects with page_id and count.
func parseSettings(body []byte) ([]counting.SetCount, error) {
	settings := []counting.SetCount{}
	badCount := problem.BadRequest("bad_count", "A count is an integer from 0 to 2^63-1.")
	err := request.Array(body, request.MaxItems, func(text []byte) error {
		var one pageJSON
		var bad request.BadValue
		err := request.Object(text, &one)
		switch {
		case errors.As(err, &bad) && bad.Field == "count":
			return badCount
		case err != nil:
			return err
		}
		page, err := request.Page(one.PageID)
		switch {
		case err != nil:
			return err
		case one.Count == nil || *one.Count < 0:
			return badCount
		}
		settings = append(settings, counting.SetCount{Page: page, Count: *one.Count})
		return nil
	})
	if err != nil && problem.Of(err, true).Code == "bad_body" {
		return nil, problem.BadRequest("bad_body", "The body is no JSON array of objects with page_id and count.")
	}
	return settings, err
}
