package public

import (
	"encoding/json"
	"net/http"
	"strconv"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// keyHeader names a request that is counted once; nearly none has it.
const keyHeader = "Idempotency-Key"

// maxVisitBody is the largest JSON body of record, in bytes.
const maxVisitBody = 4096

// record serves POST /visit/{page_id}. A body is ignored, unless it is JSON with a field,
// such as a count: that would have no effect.
func (a *api) record(_ http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	if body := httpapi.Body(r); len(body) > 0 {
		if err := request.Object(body, &struct{}{}); err != nil {
			return nil, err
		}
	}
	if err := a.recordPage(r, page); err != nil {
		a.noteOverflow(page, err)
		return nil, err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"status":"success","message":"Visit recorded for page `...)
	body = appendEscaped(body, string(page))
	return append(body, `"}`...), nil
}

// recordPage records one visit, once if the request has a key.
func (a *api) recordPage(r *http.Request, page counting.Page) error {
	keys := r.Header[keyHeader]
	if len(keys) == 0 {
		return a.Visits.Record(r.Context(), page, 1)
	}
	if err := a.refuseOtherSites(r); err != nil {
		return err
	}
	errs, err := a.recordOnce(r, keys, "visit", []byte(page), []counting.Visit{{Page: page, Count: 1}})
	if err != nil {
		return err
	}
	return errs[0]
}

// recordOnce records the visits of a request with keys: the values of keyHeader. It
// returns an error for each visit, or one of all of them.
func (a *api) recordOnce(r *http.Request, keys []string, kind string, payload []byte, visits []counting.Visit) ([]error, error) {
	key, err := request.Key(keys, kind, payload)
	if err != nil || len(visits) == 0 {
		return nil, err
	}
	client, costs := a.client(r), limits.Costs{Requests: 1, Records: 1 + int64(len(visits))}
	day, err := a.Keys.Take(client, key.Key, costs)
	if err != nil {
		return nil, err
	}
	errs, err := a.Visits.RecordOnce(r.Context(), key, visits)
	if day != 0 && err != nil {
		a.Keys.Back(day, client, key.Key, costs)
	}
	return errs, err
}

// read serves GET /visits/{page_id}.
func (a *api) read(_ http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	reading := a.Visits.Read(r.Context(), []counting.Page{page})[0]
	if reading.Err != nil {
		return nil, reading.Err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"page_id":"`...)
	body = appendEscaped(body, string(page))
	body = append(body, `","visits":`...)
	body = strconv.AppendInt(body, reading.Visits, 10)
	body = append(body, `,"served_via":"`...)
	body = appendEscaped(body, string(reading.Via))
	return append(body, `"}`...), nil
}

// appendEscaped appends s as it is between the quotes of a JSON string.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted[1:len(quoted)-1]...)
		}
	}
	return append(b, s...)
}

// readingResult is one result of GET /visits: a number or an error.
type readingResult struct {
	PageID    string          `json:"page_id"`
	Visits    *int64          `json:"visits,omitempty"`
	ServedVia counting.NodeID `json:"served_via,omitempty"`
	*problem.Item
}

type readingsJSON struct {
	Results []readingResult `json:"results"`
}

// readingOf is the result of a page that was read.
func readingOf(name string, reading counting.Reading) readingResult {
	if reading.Err != nil {
		return readingResult{PageID: name, Item: problem.Of(reading.Err, false).Item()}
	}
	return readingResult{PageID: name, Visits: &reading.Visits, ServedVia: reading.Via}
}

// readMany serves GET /visits?page_id=a&page_id=b. A page that can't be read
// spoils only itself, unless none can be read for now.
func (a *api) readMany(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	names, err := request.Params(r.URL.RawQuery, "page_id", request.MaxReadPages)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, problem.BadRequest("missing_parameter", "The parameter page_id is missing.")
	}
	if err := a.checkItems(r, len(names)); err != nil {
		for range names {
			a.items.note(readItem, 0, err)
		}
		return nil, err
	}
	results := make([]readingResult, len(names))
	pages := make([]counting.Page, 0, len(names))
	origin := make([]int, 0, len(names)) // index of each page in names
	for i, name := range names {
		page, err := request.Page(name)
		if err != nil {
			a.items.note(readItem, 0, err)
			results[i] = readingResult{PageID: request.Echo(name), Item: problem.Of(err, false).Item()}
			continue
		}
		pages, origin = append(pages, page), append(origin, i)
	}
	var errs []error
	if len(pages) > 0 {
		for i, reading := range a.Visits.Read(r.Context(), pages) {
			errs = append(errs, reading.Err)
			a.items.note(readItem, 0, reading.Err)
			results[origin[i]] = readingOf(names[origin[i]], reading)
			a.logUnexpected(w, r, reading.Err, false)
		}
	}
	if err := problem.AllRefused(errs, false); err != nil {
		return nil, err
	}
	return json.Marshal(readingsJSON{results})
}

// checkItems counts the items of a request for the rate limit of its client.
func (a *api) checkItems(r *http.Request, items int) error {
	return a.Clients.CheckItems(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), items)
}

// logUnexpected logs the error of an item whose text the caller doesn't see.
func (a *api) logUnexpected(w http.ResponseWriter, r *http.Request, err error, write bool) {
	if err != nil && problem.Of(err, write).Unexpected {
		a.Log.Error("item of a http request failed", "request_id", httpapi.RequestID(w, r), "error", err)
	}
}
