package public

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/pagestats"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/timeline"
	"footfall/domain/watching"
)

const (
	// defaultPage is watched where no page is named and there are none yet, unless names are
	// private.
	defaultPage = "home"
	// topPages is how many of the most visited pages are shown where none is named.
	topPages = 10
	// topTime is how long the page waits for the most visited ones.
	topTime = time.Second
)

// home serves GET /. The buttons of the page send all pages with the number of the one to
// remove: a link for each page would hold all the others. It answers 200 even when nothing can be read; the page
// then says so.
func (a *api) home(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	chart, err := request.Param(r.URL.RawQuery, "chart")
	if err != nil {
		return nil, err
	}
	span, ok := page.ParseSpan(chart)
	if !ok {
		return nil, problem.BadRequest("bad_parameter", "The parameter chart is 24h or 30d.")
	}
	if query, removes, err := request.WithoutPage(r.URL.RawQuery); err != nil {
		return nil, err
	} else if removes {
		if chart != "" && query != "" {
			query += "&chart=" + chart
		}
		w.Header().Set("Location", "./"+query) // relative: a proxy may have stripped a path
		w.WriteHeader(http.StatusSeeOther)
		return nil, nil
	}
	pages, err := request.WatchedPages(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	h := page.Home{Private: a.Private, Span: span}
	if len(pages) == 0 && !a.Private {
		h.Top = true
		pages = a.mostVisited(r, &h)
	}
	h.Now = time.Now()
	a.readHome(r.Context(), pages, &h)
	var body bytes.Buffer
	if err := a.homePage.Execute(&body, h); err != nil {
		return nil, err
	}
	setHeaders(w, "text/html; charset=utf-8", "no-store", page.Policy)
	return body.Bytes(), nil
}

// mostVisited are the pages to show where none is named. While the most visited ones are not known, that is
// the default page, and the page says why.
func (a *api) mostVisited(r *http.Request, h *page.Home) (pages []counting.Page) {
	client := a.client(r)
	err := a.PageStats.Acquire(client, 1)
	if err == nil {
		defer a.PageStats.Release(client, 1)
		ctx, cancel := context.WithTimeout(r.Context(), topTime)
		defer cancel()
		var stats counting.PageStats
		stats, err = a.Stats.Stats(ctx, client, counting.PageQuery{})
		h.TopAsOf = stats.AsOf
		for _, v := range stats.Top[:min(len(stats.Top), topPages)] {
			pages = append(pages, v.Page)
		}
	}
	h.TopError = pagestats.Fault(err)
	if len(pages) == 0 {
		return []counting.Page{defaultPage}
	}
	return pages
}

// readHome reads what the page shows.
func (a *api) readHome(ctx context.Context, pages []counting.Page, h *page.Home) {
	var readings []counting.Reading
	var all sync.WaitGroup
	all.Go(func() { readings = a.Visits.Read(ctx, pages) })
	all.Go(func() { h.Timelines = a.timelines(ctx, pages, h) })
	all.Go(func() {
		var err error
		h.Windows, _, err = a.Windows.List(ctx, publishing.Span{}, request.DefaultWindows)
		h.WindowsError = err != nil
	})
	all.Go(func() { h.Nodes = a.Nodes(ctx) })
	all.Wait()
	for i, reading := range readings {
		h.Pages = append(h.Pages, watching.Page{Page: pages[i], Reading: reading})
	}
}

// timelines are what the charts show; none if no history is kept.
func (a *api) timelines(ctx context.Context, pages []counting.Page, h *page.Home) []timeline.Timeline {
	shown, err := h.Span.Range(h.Now)
	if err != nil {
		return nil
	}
	all := a.History.Timelines(ctx, pages, shown)
	if slices.ContainsFunc(all, func(t timeline.Timeline) bool {
		return errors.Is(t.Err, timeline.ErrNoHistory) || errors.Is(t.Err, timeline.ErrResolution)
	}) {
		return nil
	}
	return all
}
