// Package page renders the HTML pages of the public listener: the page at /,
// the API documentation at /docs, and badges. It reads only its arguments and
// its embedded files; it knows no routes.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/publishing"
	"footfall/domain/timeline"
	"footfall/domain/watching"
)

// Content-Security-Policies of the pages. Both admit only files of the same
// origin, and no inline script or style.
const (
	Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// DocsPolicy also admits the icons in Swagger UI's style sheet, which are
	// data: URLs.
	DocsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

//go:embed assets home.html
var files embed.FS

// Docs is the page at /docs.
//
//go:embed docs.html
var Docs []byte

// New parses the template of the page at /, which is executed with a Home. It is
// safe for concurrent use.
func New() (*template.Template, error) {
	return template.New("home.html").Funcs(template.FuncMap{
		"grouped": Grouped,
		"clock":   func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"span":    func(w publishing.Summary) string { return span(w.End.Sub(w.Start)) },
		"percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
		"problem": func(err error) string { return problem.Of(err, false).Detail },
	}).ParseFS(files, "home.html")
}

// Home is what the page at / shows.
type Home struct {
	Now   time.Time
	Pages []watching.Page
	// Timelines are those of the pages, in their order, for Span. There are none where no history is kept.
	Timelines []timeline.Timeline
	Span      Span
	// Top: the pages are the most visited ones, as of TopAsOf. If TopError is set, these are not known.
	Top      bool
	TopAsOf  time.Time
	TopError error
	Windows  []publishing.Summary // newest first
	// WindowsError: the windows cannot be read.
	WindowsError bool
	// Private: how callbacks went is not shown.
	Private bool
	Nodes   []watching.Node
}

// maxCharts is how many pages have a chart, the first ones: a chart is 5 KB.
const maxCharts = 10

// Charts is how many of the pages have a chart.
func (h Home) Charts() int { return min(len(h.Timelines), maxCharts) }

// Removes tells whether pages can be removed from those that are shown.
func (h Home) Removes() bool { return !h.Top && len(h.Pages) > 1 }

// Chart is what is known of a page's history, by its index; nil if it can't be read.
func (h Home) Chart(i int) *Chart {
	if i >= len(h.Timelines) || h.Timelines[i].Err != nil {
		return nil
	}
	return &Chart{h.Span, h.Timelines[i]}
}

// OtherSpan is the link to the page with the charts of the other span.
func (h Home) OtherSpan() string {
	query := url.Values{"chart": {string(h.Span.Other())}}
	if !h.Top {
		for _, p := range h.Pages {
			query.Add("page_id", string(p.Page))
		}
	}
	return "./?" + query.Encode()
}

// OpenWindow returns the newest window if it is open, else nil.
func (h Home) OpenWindow() *publishing.Summary {
	if len(h.Windows) == 0 || h.Windows[0].State != "open" {
		return nil
	}
	return &h.Windows[0]
}

// Elapsed returns which part of the open window's time is over, 0 to 1.
func (h Home) Elapsed() float64 {
	w := h.OpenWindow()
	return min(1, max(0, float64(h.Now.Sub(w.Start))/float64(w.End.Sub(w.Start))))
}

// Bar is a window in the chart.
type Bar struct {
	publishing.Summary
	X, Y, Width, Height float64
}

// The chart's size and number of windows; page.js has the same.
const (
	chartWidth, chartHeight = 600.0, 120.0
	chartBars               = 60
)

// charted are the windows of the chart, newest first.
func (h Home) charted() []publishing.Summary { return h.Windows[:min(len(h.Windows), chartBars)] }

// Most is the count of the highest bar.
func (h Home) Most() (most int64) {
	for _, w := range h.charted() {
		most = max(most, w.Count)
	}
	return most
}

// Bars returns the newest windows as the chart shows them, oldest first.
func (h Home) Bars() []Bar {
	windows, most := h.charted(), max(1, h.Most())
	bars := make([]Bar, 0, len(windows))
	const step = chartWidth / chartBars
	for i, w := range slices.Backward(windows) {
		height := max(1, chartHeight*float64(w.Count)/float64(most))
		bars = append(bars, Bar{w, chartWidth - step*float64(i+1) + 1, chartHeight - height, step - 2, height})
	}
	return bars
}

// span is a length of windows in words, such as 1 minute.
func span(d time.Duration) string {
	n, unit := int64(d/time.Second), "second"
	for _, larger := range []string{"minute", "hour"} {
		if n%60 != 0 {
			break
		}
		n, unit = n/60, larger
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprint(n, " ", unit)
}

// Grouped formats a number with narrow spaces between groups of three digits.
func Grouped(n int64) string {
	return strings.ReplaceAll(humanize.Comma(n), ",", "\u202f")
}
