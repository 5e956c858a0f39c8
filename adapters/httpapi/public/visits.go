package public

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// visitRoutes serves the counter's routes.
type visitRoutes struct {
	httpapi.Replies
	visits Visits
	log    *slog.Logger
	// bulk bounds the memory of the bodies of recordMany.
	bulk limits.InFlight
}

func newVisitRoutes(o Options) *visitRoutes {
	return &visitRoutes{
		Replies: httpapi.NewReplies(), visits: o.Visits, log: o.Log,
		bulk: limits.InFlight{Limit: int64((o.MaxInFlight + bulkShare - 1) / bulkShare)},
	}
}

// keysOf returns the values of the header Idempotency-Key; nearly always there
// are none.
func keysOf(r *http.Request) []string { return r.Header["Idempotency-Key"] }

// record serves POST /visit/{page_id}.
func (v *visitRoutes) record(w http.ResponseWriter, r *http.Request, name string) error {
	page, err := request.Page(name)
	if err != nil {
		return err
	}
	if err := v.recordPage(r, page); err != nil {
		return err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"status":"success","message":"Visit recorded for page `...)
	body = appendEscaped(body, string(page))
	return v.RawJSON(w, append(body, `"}`...))
}

// recordPage records one visit, once if the request has a key.
func (v *visitRoutes) recordPage(r *http.Request, page counting.Page) error {
	keys := keysOf(r)
	if len(keys) == 0 {
		return v.visits.Record(r.Context(), page, 1)
	}
	key, err := request.Key(keys, "visit", []byte(page))
	if err != nil {
		return err
	}
	errs, err := v.visits.RecordOnce(r.Context(), key, []counting.Visit{{Page: page, Count: 1}})
	if err != nil {
		return err
	}
	return errs[0]
}

// read serves GET /visits/{page_id}.
func (v *visitRoutes) read(w http.ResponseWriter, r *http.Request, name string) error {
	page, err := request.Page(name)
	if err != nil {
		return err
	}
	reading := v.visits.Read(r.Context(), []counting.Page{page})[0]
	if reading.Err != nil {
		return reading.Err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"page_id":"`...)
	body = appendEscaped(body, string(page))
	body = append(body, `","visits":`...)
	body = strconv.AppendInt(body, reading.Visits, 10)
	body = append(body, `,"served_via":"`...)
	body = appendEscaped(body, string(reading.Via))
	return v.RawJSON(w, append(body, `"}`...))
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
func (v *visitRoutes) readMany(w http.ResponseWriter, r *http.Request, _ string) error {
	names, err := request.Params(r.URL.RawQuery, "page_id", request.MaxReadPages)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return problem.BadRequest("missing_parameter", "The parameter page_id is missing.")
	}
	results := make([]readingResult, len(names))
	pages := make([]counting.Page, 0, len(names))
	origin := make([]int, 0, len(names)) // index of each page in names
	for i, name := range names {
		page, err := request.Page(name)
		if err != nil {
			results[i] = readingResult{PageID: request.Echo(name), Item: problem.Of(err, false).Item()}
			continue
		}
		pages, origin = append(pages, page), append(origin, i)
	}
	var errs []error
	if len(pages) > 0 {
		for i, reading := range v.visits.Read(r.Context(), pages) {
			errs = append(errs, reading.Err)
			results[origin[i]] = readingOf(names[origin[i]], reading)
			v.logUnexpected(w, r, reading.Err, false)
		}
	}
	if err := problem.AllRefused(errs, false); err != nil {
		return err
	}
	return v.JSON(w, readingsJSON{results})
}

// logUnexpected logs the error of an item whose text the caller doesn't see.
func (v *visitRoutes) logUnexpected(w http.ResponseWriter, r *http.Request, err error, write bool) {
	if err != nil && problem.Of(err, write).Unexpected {
		v.log.Error("item of a http request failed", "request_id", httpapi.RequestID(w, r), "error", err)
	}
}
