// Package pagestats lists the most visited pages on both listeners, and the sums of pages.
package pagestats

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// defaultTop is how many pages are listed if the query does not say it.
const defaultTop = 10

// retryScan is when a caller is to come again whose numbers are not known yet, in seconds.
const retryScan = 5

// Options are what the routes depend on.
type Options struct {
	Stats Stats
	// Off: this listener may not list names of pages. Sums by prefix would tell them, too.
	Off bool
	// Client is the client that sent a request. Nil: clients have no share.
	Client func(*http.Request) netip.Prefix
	// Requests bounds those that wait for a scan at a time. It may be nil, for no bound.
	Requests *limits.Pool
}

// Routes are those below a prefix of paths.
func Routes(o Options, path string) []httpapi.Route {
	top, total := o.top, o.total
	if o.Off {
		top, total = off, off
	}
	return []httpapi.Route{
		{Method: http.MethodGet, Path: path + "/pages/top", Do: top, Query: []string{"limit", "prefix", "period"}},
		{Method: http.MethodGet, Path: path + "/pages/total", Do: total, Query: []string{"prefix"}},
	}
}

func off(http.ResponseWriter, *http.Request, string) ([]byte, error) {
	return nil, problem.NotFound("pages_off", "FOOTFALL_PAGES does not let this listener list pages.")
}

type pageJSON struct {
	PageID string `json:"page_id"`
	Visits int64  `json:"visits"`
}

// top serves GET /pages/top.
func (o Options) top(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	limit, err := request.LimitOr(r.URL.RawQuery, defaultTop, counting.MaxTop)
	if err != nil {
		return nil, err
	}
	_, period, err := request.Period(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	stats, err := o.stats(r, period)
	if err != nil {
		return nil, err
	}
	pages := make([]pageJSON, min(limit, len(stats.Top)))
	for i := range pages {
		pages[i] = pageJSON{string(stats.Top[i].Page), stats.Top[i].Count}
	}
	return json.Marshal(struct {
		AsOf  time.Time  `json:"as_of"`
		Since time.Time  `json:"since,omitzero"`
		Pages []pageJSON `json:"pages"`
	}{stats.AsOf, stats.Since, pages})
}

// total serves GET /pages/total.
func (o Options) total(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	stats, err := o.stats(r, 0)
	if err != nil {
		return nil, err
	}
	if stats.Overflows {
		return nil, problem.Unavailable("sum_overflow", "The sum of these pages would pass 2^63-1.", 60)
	}
	return json.Marshal(struct {
		AsOf   time.Time `json:"as_of"`
		Pages  int64     `json:"pages"`
		Visits int64     `json:"visits"`
	}{stats.AsOf, stats.Pages, stats.Visits})
}

// stats are the numbers that a query asks for, of all visits or those of a period.
func (o Options) stats(r *http.Request, period time.Duration) (stats counting.PageStats, err error) {
	prefix, err := request.Param(r.URL.RawQuery, "prefix")
	if err != nil {
		return stats, err
	}
	if len(prefix) > counting.MaxPageBytes || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl) {
		return stats, problem.BadRequest("bad_prefix", "A prefix is at most 256 bytes of UTF-8 without control characters.")
	}
	var client netip.Prefix
	if o.Client != nil {
		client = o.Client(r)
	}
	if err := o.Requests.Acquire(client, 1); err != nil {
		return stats, err
	}
	defer o.Requests.Release(client, 1)
	ctx, cancel := httpapi.UntilDrain(r.Context())
	defer cancel()
	stats, err = o.Stats.Stats(ctx, client, counting.PageQuery{Prefix: prefix, Period: period})
	return stats, Fault(err)
}

// Fault is the fault for an error of Stats that is about all pages; others stay as they are.
func Fault(err error) error {
	most := strconv.Itoa(counting.MaxPrefixes)
	switch {
	case errors.Is(err, counting.ErrScanning):
		return problem.Unavailable("scanning", "The pages are being read, in a small part of the time of the nodes. The numbers are not known yet.", retryScan)
	case errors.Is(err, counting.ErrPrefixes):
		return problem.Unavailable("prefix_limit", "The numbers of "+most+" other prefixes and periods are known, as many as may be. One that no caller asks for is forgotten after a minute.", 60)
	case errors.Is(err, counting.ErrPrefixShare):
		return problem.ClientLimit("This client asks for too many prefixes and periods. One that it does not ask for is forgotten after a minute.", 60)
	case errors.Is(err, sharding.ErrBusy):
		return problem.Unavailable("moving", "Pages are moving between nodes. The numbers are known when that has ended.", 2)
	case errors.Is(err, counting.Corrupt):
		return problem.Unavailable("corrupt", "What is stored for one of these pages is no count, so that no number of them would be right.", 60)
	case errors.Is(err, counting.Missing):
		return problem.Unavailable("missing", "A part of the store that has some of these pages is missing until an operator brings it back.", 60)
	case errors.Is(err, counting.ErrUnavailable):
		return problem.Unavailable("unavailable", "A part of the store that may have some of these pages does not answer.", 2)
	}
	return err
}
