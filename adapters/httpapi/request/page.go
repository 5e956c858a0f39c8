// Package request reads what callers send: names, ids, counts, bodies, keys and
// query parameters. It is strict, and its errors are problem.Fault values that
// say what is wrong. It knows no HTTP library, so that another adapter for HTTP
// may read requests by it.
package request

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// The limits of a query.
const (
	MaxReadPages    = 1000
	MaxWatchedPages = 50
	DefaultWindows  = 60
	maxWindows      = 1000
)

// Page reads a page id. Its error is bad_page_id.
func Page(name string) (counting.Page, error) {
	page, err := counting.ParsePage(name)
	if err != nil {
		return "", problem.BadRequest("bad_page_id", err.Error())
	}
	return page, nil
}

// Echo is the name of a refused item as far as it is worth repeating.
func Echo(name string) string {
	if len(name) > counting.MaxPageBytes {
		return ""
	}
	return name
}

// WatchedPages reads the parameters page_id of a query, each page once.
func WatchedPages(rawQuery string) ([]counting.Page, error) {
	names, err := Params(rawQuery, "page_id", MaxWatchedPages)
	if err != nil {
		return nil, err
	}
	pages := make([]counting.Page, 0, len(names))
	for _, name := range names {
		page, err := Page(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(pages, page) {
			pages = append(pages, page)
		}
	}
	return pages, nil
}

// WithoutPage reads the query of the page's form with the parameter without: the number of
// the watched page that is to be removed. The last page_id is the form's field for one
// more, which is left out. query has the others, from its question mark on.
func WithoutPage(rawQuery string) (query string, given bool, err error) {
	text, err := Param(rawQuery, "without")
	if err != nil || text == "" {
		return "", false, err
	}
	names, err := Params(rawQuery, "page_id", MaxWatchedPages+1)
	if err != nil {
		return "", false, err
	}
	without, err := strconv.Atoi(text)
	if err != nil || without < 0 || without >= len(names)-1 {
		return "", false, problem.BadRequest("bad_parameter", "The parameter without is the number of a page_id before the last, from 0.")
	}
	rest := slices.Delete(names[:len(names)-1], without, without+1)
	if len(rest) == 0 {
		return "", true, nil
	}
	return "?" + url.Values{"page_id": rest}.Encode(), true, nil
}

// IDEvent reads the parameters id and endpoint of a query. An empty endpoint is
// none. Its errors are faults, counting.ErrBadID and publishing.ErrBadEndpoint.
func IDEvent(rawQuery string) (id counting.ID, endpoint publishing.Endpoint, err error) {
	if err := Only(rawQuery, "id", "endpoint"); err != nil {
		return 0, "", err
	}
	given, err := Param(rawQuery, "id")
	if err != nil {
		return 0, "", err
	}
	if id, err = counting.ParseID(given); err != nil {
		return 0, "", err
	}
	if given, err = Param(rawQuery, "endpoint"); err == nil && given != "" {
		endpoint, err = publishing.ParseEndpoint(given)
	}
	return id, endpoint, err
}

// EndpointHost is the host in the parameter endpoint of a query, for logs: 255 bytes of
// it at most. It is empty if there is no such parameter, or no host in it.
func EndpointHost(rawQuery string) string {
	given, _ := Param(rawQuery, "endpoint")
	u, err := url.Parse(given)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(u.Host[:min(len(u.Host), 255)], "")
}

// LimitOr reads the parameter limit of a query, from 1 to most, or returns a standard one.
func LimitOr(rawQuery string, standard, most int) (int, error) {
	text, err := Param(rawQuery, "limit")
	if err != nil || text == "" {
		return standard, err
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > most {
		return 0, problem.BadRequest("bad_limit", "The parameter limit is an integer from 1 to "+strconv.Itoa(most)+".")
	}
	return limit, nil
}

// Key names a request by the values of its header Idempotency-Key, of which
// there is at least one. kind names the route: a key belongs to one request,
// whatever its route.
func Key(values []string, kind string, payload []byte) (counting.RequestKey, error) {
	if len(values) > 1 {
		return counting.RequestKey{}, problem.BadRequest("bad_idempotency_key", "The header Idempotency-Key is there more than once.")
	}
	key, err := counting.ParseKey(values[0])
	if err != nil {
		return counting.RequestKey{}, problem.BadRequest("bad_idempotency_key", err.Error())
	}
	return counting.RequestKey{Key: key, Print: counting.FingerprintOf(kind, payload)}, nil
}
