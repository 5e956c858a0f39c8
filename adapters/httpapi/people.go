package httpapi

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"footfall/adapters/httpapi/page"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
)

const (
	// defaultPage is watched where no page is named.
	defaultPage = "home"
	// badgeAge is for how long a badge may be shown again without asking: it
	// stands in documents that many look at.
	badgeAge = "public, max-age=10"
)

// htmlRoutes serves what people look at.
type htmlRoutes struct {
	render  *page.Renderer
	docs    []byte
	visits  Visits
	uniques Uniques
	nodes   func(context.Context) []watching.Node
}

// newHTMLRoutes renders what doesn't change beforehand.
func newHTMLRoutes(o PublicOptions) (*htmlRoutes, error) {
	render, err := page.New()
	if err != nil {
		return nil, err
	}
	docs, err := render.Docs(openAPI)
	return &htmlRoutes{render: render, docs: docs, visits: o.Visits, uniques: o.Uniques, nodes: o.Nodes}, err
}

// write answers with one of our own texts, which take nothing from elsewhere.
func (p *htmlRoutes) write(w http.ResponseWriter, mediaType, cache string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", cache)
	h.Set("Content-Security-Policy", page.Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(body)
	return nil
}

// home serves GET /. It is answered also where nothing can be read, and says
// so.
func (p *htmlRoutes) home(w http.ResponseWriter, r *http.Request, _ string) error {
	pages, err := pagesToWatch(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if len(pages) == 0 {
		pages = []counting.Page{defaultPage}
	}
	var (
		readings []counting.Reading
		list     []publishing.Summary
		lost     error
		nodes    []watching.Node
		wg       sync.WaitGroup
	)
	wg.Go(func() { readings = p.visits.Read(r.Context(), pages) })
	wg.Go(func() { list, lost = p.uniques.Windows(r.Context(), defaultWindows) })
	wg.Go(func() { nodes = p.nodes(r.Context()) })
	wg.Wait()
	h := page.Home{Now: time.Now().UTC(), WindowsLost: lost != nil}
	for i, reading := range readings {
		watched := page.Watched{Name: string(pages[i]), Visits: reading.Visits, Via: string(reading.Via)}
		if reading.Err != nil {
			watched.Trouble = faultOf(reading.Err, false).detail
		}
		h.Pages = append(h.Pages, watched)
	}
	for _, s := range list {
		h.Windows = append(h.Windows, page.Window{
			ID: s.ID, Start: s.Start, End: s.End, Count: s.Count, State: string(s.State), PublishedTo: s.Sink,
			Endpoints: s.Deliveries.Endpoints, Delivered: s.Deliveries.Delivered, Failed: s.Deliveries.Failed,
		})
	}
	for _, n := range nodes {
		h.Nodes = append(h.Nodes, page.Node{ID: string(n.ID), Share: n.Share, Answers: n.Answers})
	}
	body, err := p.render.Home(h)
	if err != nil {
		return err
	}
	return p.write(w, "text/html; charset=utf-8", "no-store", body)
}

// documentation serves GET /docs.
func (p *htmlRoutes) documentation(w http.ResponseWriter, _ *http.Request, _ string) error {
	return p.write(w, "text/html; charset=utf-8", "no-cache", p.docs)
}

// asset serves GET /assets/{name}.
func (p *htmlRoutes) asset(w http.ResponseWriter, _ *http.Request, name string) error {
	body := p.render.Asset(name)
	if body == nil {
		return notFound("no_such_asset", "There is no asset of this name.")
	}
	mediaType := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[strings.ToLower(path.Ext(name))]
	return p.write(w, mediaType, "no-cache", body)
}

// badge serves GET /visits/{page_id}/badge.svg.
func (p *htmlRoutes) badge(w http.ResponseWriter, r *http.Request, param string) error {
	name, err := parsePage(param)
	if err != nil {
		return err
	}
	reading := p.visits.Read(r.Context(), []counting.Page{name})[0]
	if reading.Err != nil {
		return reading.Err
	}
	return p.write(w, "image/svg+xml", badgeAge, page.Badge(reading.Visits))
}
