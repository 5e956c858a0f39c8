package public

import (
	"context"
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
	// defaultPage is watched where no page is named.
	defaultPage = "home"
	// badgeAge lets caches keep badges, which popular documents embed.
	badgeAge = "public, max-age=10"
)

// htmlRoutes serves the HTML pages with their assets, and the badges.
type htmlRoutes struct {
	render  *page.Renderer
	visits  Visits
	uniques Uniques
	nodes   func(context.Context) []watching.Node
}

// newHTMLRoutes parses the pages' templates.
func newHTMLRoutes(o Options) (*htmlRoutes, error) {
	render, err := page.New()
	return &htmlRoutes{render: render, visits: o.Visits, uniques: o.Uniques, nodes: o.Nodes}, err
}

// write answers with a body of our own. policy is its Content-Security-Policy.
func (p *htmlRoutes) write(w http.ResponseWriter, mediaType, cache, policy string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", cache)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(body)
	return nil
}

// home serves GET /. It answers 200 even when nothing can be read; the page
// then says so.
func (p *htmlRoutes) home(w http.ResponseWriter, r *http.Request, _ string) error {
	pages, err := request.WatchedPages(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if len(pages) == 0 {
		pages = []counting.Page{defaultPage}
	}
	h := page.Home{Now: time.Now().UTC()}
	var (
		readings []counting.Reading
		wg       sync.WaitGroup
	)
	wg.Go(func() { readings = p.visits.Read(r.Context(), pages) })
	wg.Go(func() {
		var err error
		h.Windows, err = p.uniques.Windows(r.Context(), request.DefaultWindows)
		h.WindowsError = err != nil
	})
	wg.Go(func() { h.Nodes = p.nodes(r.Context()) })
	wg.Wait()
	for i, reading := range readings {
		watched := page.WatchedPage{Name: string(pages[i]), Visits: reading.Visits, Via: string(reading.Via)}
		if reading.Err != nil {
			watched.Problem = problem.Of(reading.Err, false).Detail
		}
		h.Pages = append(h.Pages, watched)
	}
	body, err := p.render.Home(h)
	if err != nil {
		return err
	}
	return p.write(w, "text/html; charset=utf-8", "no-store", page.Policy, body)
}

// documentation serves GET /docs.
func (p *htmlRoutes) documentation(w http.ResponseWriter, _ *http.Request, _ string) error {
	return p.write(w, "text/html; charset=utf-8", "no-cache", page.DocsPolicy, p.render.Docs())
}

// asset serves GET /assets/{name}.
func (p *htmlRoutes) asset(w http.ResponseWriter, r *http.Request, name string) error {
	asset, err := page.FindAsset(name)
	if err != nil {
		return problem.NotFound("no_such_asset", "There is no asset of this name.")
	}
	body, encoding, err := asset.Encode(r.Header.Get("Accept-Encoding"))
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept-Encoding")
	if encoding != "" {
		w.Header().Set("Content-Encoding", encoding)
	}
	return p.write(w, asset.MediaType, "no-cache", page.Policy, body)
}

// badge serves GET /visits/{page_id}/badge.svg.
func (p *htmlRoutes) badge(w http.ResponseWriter, r *http.Request, param string) error {
	name, err := request.Page(param)
	if err != nil {
		return err
	}
	reading := p.visits.Read(r.Context(), []counting.Page{name})[0]
	if reading.Err != nil {
		return reading.Err
	}
	return p.write(w, "image/svg+xml", badgeAge, page.Policy, page.Badge(reading.Visits))
}
