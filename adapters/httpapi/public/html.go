package public

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/watching"
)

const (
	// defaultPage is watched where no page is named, unless names are private.
	defaultPage = "home"
	// badgeAge lets caches keep badges, which popular documents embed.
	badgeAge = "public, max-age=10"
)

// setHeaders sets the headers of a body for browsers. policy is its
// Content-Security-Policy.
func setHeaders(w http.ResponseWriter, mediaType, cache, policy string) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", cache)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
}

// home serves GET /. The buttons of the page send all pages with the number of the one to
// remove: a link for each page would hold all the others. It answers 200 even when nothing can be read; the page
// then says so.
func (a *api) home(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if query, removes, err := request.WithoutPage(r.URL.RawQuery); err != nil {
		return nil, err
	} else if removes {
		w.Header().Set("Location", "./"+query) // relative: a proxy may have stripped a path
		w.WriteHeader(http.StatusSeeOther)
		return nil, nil
	}
	pages, err := request.WatchedPages(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if len(pages) == 0 && !a.Private {
		pages = []counting.Page{defaultPage}
	}
	h := page.Home{Now: time.Now(), Private: a.Private}
	var readings []counting.Reading
	var wg sync.WaitGroup
	wg.Go(func() { readings = a.Visits.Read(r.Context(), pages) })
	wg.Go(func() {
		var err error
		h.Windows, err = a.Uniques.Windows(r.Context(), request.DefaultWindows)
		h.WindowsError = err != nil
	})
	wg.Go(func() { h.Nodes = a.Nodes(r.Context()) })
	wg.Wait()
	for i, reading := range readings {
		h.Pages = append(h.Pages, watching.Page{Page: pages[i], Reading: reading})
	}
	var body bytes.Buffer
	if err := a.homePage.Execute(&body, h); err != nil {
		return nil, err
	}
	setHeaders(w, "text/html; charset=utf-8", "no-store", page.Policy)
	return body.Bytes(), nil
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
	reading := a.Visits.Read(r.Context(), []counting.Page{name})[0]
	if reading.Err != nil {
		return nil, reading.Err
	}
	setHeaders(w, "image/svg+xml", badgeAge, page.Policy)
	return page.Badge(reading.Visits), nil
}
