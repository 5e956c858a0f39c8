package public

import (
	"net/http"

	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// badgeAge lets caches keep badges, which popular documents embed.
const badgeAge = "public, max-age=10"

// setHeaders sets the headers of a body for browsers. policy is its
// Content-Security-Policy.
func setHeaders(w http.ResponseWriter, mediaType, cache, policy string) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", cache)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
}

// documentation serves GET /docs.
func (a *api) documentation(w http.ResponseWriter, _ *http.Request, _ string) ([]byte, error) {
	setHeaders(w, "text/html; charset=utf-8", "no-cache", page.DocsPolicy)
	return page.Docs, nil
}

// asset serves GET /assets/{name}.
func (a *api) asset(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	body, encoding, err := page.Asset(name, r.Header.Get("Accept-Encoding"))
	if err != nil {
		return nil, problem.NotFound("no_such_asset", "There is no asset of this name.")
	}
	setHeaders(w, page.MediaType(name), "no-cache", page.Policy)
	w.Header().Add("Vary", "Accept-Encoding")
	if encoding != "" {
		w.Header().Set("Content-Encoding", encoding)
	}
	return body, nil
}

// badge serves GET /visits/{page_id}/badge.svg.
func (a *api) badge(w http.ResponseWriter, r *http.Request, param string) ([]byte, error) {
	name, err := request.Page(param)
	if err != nil {
		return nil, err
	}
	period, length, err := request.Period(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	results, errs, err := a.readResults(r.Context(), []counting.Page{name}, length)
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return nil, err
	}
	visits := results[0].Visits
	if period != "" {
		visits = results[0].Period.Visits
	}
	setHeaders(w, "image/svg+xml", badgeAge, page.Policy)
	return page.Badge(visits, period), nil
}
