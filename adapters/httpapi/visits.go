package httpapi

import (
	"log/slog"
	"net/http"
	"strconv"

	"footfall/domain/counting"
)

// maxReadPages is how many pages one request reads.
const maxReadPages = 1000

// visitRoutes serves the counter's routes.
type visitRoutes struct {
	replies
	visits Visits
	log    *slog.Logger
	// bulk bounds the memory of the bodies of recordMany.
	bulk gate
}

// record serves POST /visit/{page_id}.
func (v *visitRoutes) record(w http.ResponseWriter, r *http.Request, param string) error {
	page, err := parsePage(param)
	if err != nil {
		return err
	}
	if err := v.recordPage(r, page); err != nil {
		return err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"status":"success","message":"Visit recorded for page `...)
	body = appendEscaped(body, string(page))
	return v.raw(w, append(body, `"}`...))
}

// read serves GET /visits/{page_id}.
func (v *visitRoutes) read(w http.ResponseWriter, r *http.Request, param string) error {
	page, err := parsePage(param)
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
	return v.raw(w, append(body, `"}`...))
}

// readingResult is one result of GET /visits: a number or an error.
type readingResult struct {
	PageID    string          `json:"page_id"`
	Visits    *int64          `json:"visits,omitempty"`
	ServedVia counting.NodeID `json:"served_via,omitempty"`
	*itemError
}

// itemError is why an item has no result.
type itemError struct {
	Error  string `json:"error"`
	Detail string `json:"detail"`
}

type readingsJSON struct {
	Results []readingResult `json:"results"`
}

// readingOf is the result of a page that was read.
func readingOf(name string, reading counting.Reading) readingResult {
	if reading.Err != nil {
		return readingResult{PageID: name, itemError: itemErrorOf(faultOf(reading.Err, false))}
	}
	return readingResult{PageID: name, Visits: &reading.Visits, ServedVia: reading.Via}
}

// readMany serves GET /visits?page_id=a&page_id=b. A page that can't be read
// spoils only itself, unless none can be read for now.
func (v *visitRoutes) readMany(w http.ResponseWriter, r *http.Request, _ string) error {
	names, err := allParams(r.URL.RawQuery, "page_id", maxReadPages)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return badRequest("missing_parameter", "The parameter page_id is missing.")
	}
	results := make([]readingResult, len(names))
	pages := make([]counting.Page, 0, len(names))
	origin := make([]int, 0, len(names)) // index of each page in names
	for i, name := range names {
		results[i].PageID = name
		page, err := parsePage(name)
		if err != nil {
			results[i].PageID, results[i].itemError = echo(name), itemErrorOf(faultOf(err, false))
			continue
		}
		pages, origin = append(pages, page), append(origin, i)
	}
	var errs []error
	if len(pages) > 0 {
		for i, reading := range v.visits.Read(r.Context(), pages) {
			errs = append(errs, reading.Err)
			results[origin[i]] = readingOf(names[origin[i]], reading)
			v.logSurprise(w, r, reading.Err, false)
		}
	}
	if err := refusedWhole(errs, false); err != nil {
		return err
	}
	return v.json(w, readingsJSON{results})
}

func itemErrorOf(f fault) *itemError { return &itemError{Error: f.code, Detail: f.detail} }

// logSurprise logs the error of an item that the caller isn't told.
func (v *visitRoutes) logSurprise(w http.ResponseWriter, r *http.Request, err error, write bool) {
	if err != nil && faultOf(err, write).unexpected {
		v.log.Error("item of a http request failed", "request_id", requestID(w, r), "error", err)
	}
}

// parsePage tells a caller what is wrong with a page id.
func parsePage(s string) (counting.Page, error) {
	page, err := counting.ParsePage(s)
	if err != nil {
		return "", badRequest("bad_page_id", err.Error())
	}
	return page, nil
}

// echo is the name of a refused item as far as it is worth repeating.
func echo(name string) string {
	if len(name) > counting.MaxPageBytes {
		return ""
	}
	return name
}
