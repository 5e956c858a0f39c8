package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// pageJSON is a page with its count; Count is nil where it can't be read. History is nil where it has
// none, or is not wanted.
type pageJSON struct {
	PageID  string          `json:"page_id"`
	Count   *int64          `json:"count"`
	History *timeline.Saved `json:"history,omitempty"`
}

// listPages serves GET /pages.
func (h *Handler) listPages(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if h.NoNames {
		return nil, problem.New(http.StatusForbidden, "pages_off", "FOOTFALL_PAGES=off: no listener lists the names of pages.")
	}
	cursor, err := request.Param(r.URL.RawQuery, "cursor")
	if err != nil {
		return nil, err
	}
	pages, next, err := h.Pages.List(r.Context(), cursor)
	if err != nil {
		return nil, awayFault("The pages can't be listed", err)
	}
	listed := make([]pageJSON, len(pages))
	for i := range pages {
		listed[i].PageID = string(pages[i].Page)
		if pages[i].Count >= 0 {
			listed[i].Count = &pages[i].Count
		}
	}
	return json.Marshal(struct {
		Pages []pageJSON `json:"pages"`
		Next  string     `json:"next"`
	}{listed, next})
}

// setPage serves PUT /pages/{page_id}.
func (h *Handler) setPage(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	body, err := readJSON(w, r, request.MaxBytes)
	if err != nil {
		return nil, err
	}
	setting := struct {
		Count int64 `json:"count"`
	}{-1}
	if err := request.Object(body, &setting); err != nil || setting.Count < 0 {
		return nil, problem.BadRequest("bad_count", "The body is an object with count, an integer from 0 to 2^63-1, and nothing else.")
	}
	return h.setOne(w, r, counting.SetCount{Page: page, Count: setting.Count})
}

// removePage serves DELETE /pages/{page_id}.
func (h *Handler) removePage(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	if r.ContentLength != 0 { // without a body its type does not matter
		if err := readOptional(w, r, &struct{}{}); err != nil {
			return nil, err
		}
	}
	return h.setOne(w, r, counting.SetCount{Page: page, Delete: true})
}

// setOne changes one page, logs that, and answers with what it reads from now on.
func (h *Handler) setOne(w http.ResponseWriter, r *http.Request, s counting.SetCount) ([]byte, error) {
	if err := h.Pages.SetAll(r.Context(), []counting.SetCount{s})[0]; err != nil {
		return nil, awayFault("The page was not changed", err)
	}
	h.Log.Info("counts were set", changed(w, r, "pages", 1, "count", s.Count)...)
	return json.Marshal(pageJSON{PageID: string(s.Page), Count: &s.Count})
}

// setPages serves POST /pages: an array of pages with their counts, and histories if they have some. It is read
// as a whole before anything is set.
func (h *Handler) setPages(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	body, err := readJSON(w, r, request.MaxBytes)
	if err != nil {
		return nil, err
	}
	settings, err := parseSettings(body)
	if err != nil {
		return nil, err
	}
	var failed error
	set := 0
	for _, err := range h.Pages.SetAll(r.Context(), settings) {
		if err == nil {
			set++
		}
		failed = cmp.Or(failed, err)
	}
	if set > 0 || failed != nil && problem.Of(failed, true).InDoubt() {
		h.Log.Info("counts were set", changed(w, r, "pages", set, "of", len(settings))...)
	}
	if failed != nil { // to send it all again does no harm
		return nil, awayFault(fmt.Sprintf("%d of %d pages were set", set, len(settings)), failed)
	}
	return json.Marshal(struct {
		Set int `json:"set"`
	}{len(settings)})
}

// awayFault is an error of a call that a node did not serve, with the text of the error: an
// operator has to know which node it is. Other errors stay as they are.
func awayFault(what string, err error) error {
	f := problem.Of(err, true)
	if f.Code != "unavailable" {
		return err
	}
	f.Detail = what + ": " + err.Error()
	return f
}

// savePages serves POST /pages/history: names, of which the answer has the first ones, with their
// counts and histories. Neither is there where they can't be read.
func (h *Handler) savePages(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	body, err := readJSON(w, r, request.MaxBytes)
	if err != nil {
		return nil, err
	}
	pages, err := parseNames(body)
	if err != nil {
		return nil, err
	}
	saved, err := h.Retention.Save(r.Context(), pages)
	if err != nil {
		return nil, awayFault("The pages can't be read", err)
	}
	read := make([]pageJSON, len(saved))
	for i := range saved {
		read[i].PageID = string(saved[i].Page)
		if saved[i].Err == nil {
			read[i].Count, read[i].History = &saved[i].Count, &saved[i].History
		}
	}
	return json.Marshal(struct {
		Pages []pageJSON `json:"pages"`
	}{read})
}

// parseNames reads an object with the names of pages.
func parseNames(body []byte) (pages []counting.Page, err error) {
	var names struct {
		PageIDs []string `json:"page_ids"`
	}
	if err := request.Object(body, &names); err != nil {
		return nil, err
	}
	if len(names.PageIDs) > request.MaxItems {
		return nil, problem.TooLarge(fmt.Sprintf("page_ids has more than %d names.", request.MaxItems))
	}
	for _, name := range names.PageIDs {
		page, err := request.Page(name)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

// parseSettings reads an array of objects with page_id, count and, if there is one, history.
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
		set := counting.SetCount{Page: page, Count: *one.Count}
		if one.History != nil {
			if set.History, err = one.History.Pack(set.Count, time.Now()); err != nil {
				return err
			}
		}
		settings = append(settings, set)
		return nil
	})
	if err != nil && problem.Of(err, true).Code == "bad_body" {
		return nil, problem.BadRequest("bad_body", "The body is no JSON array of objects with page_id, count and, if wanted, history.")
	}
	return settings, err
}
