// Package page renders what the public listener shows to people: the page at
// /, the documentation at /docs, and badges. It knows no route and asks for
// nothing; all that it makes comes from its arguments and its own files.
package page

import (
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Policy is the Content-Security-Policy of the pages: nothing from elsewhere,
// nothing inline.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed assets
var files embed.FS

//go:embed home.html docs.html
var sources embed.FS

// Renderer has the templates and the assets, read once.
type Renderer struct {
	home, docs *template
	assets     map[string][]byte
}

// New reads the embedded files.
func New() (*Renderer, error) {
	r := &Renderer{assets: map[string][]byte{}}
	for name, t := range map[string]**template{"home.html": &r.home, "docs.html": &r.docs} {
		text, err := sources.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if *t, err = newTemplate(name, string(text), functions()); err != nil {
			return nil, fmt.Errorf("parse the template of a page: %w", err)
		}
	}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if r.assets[strings.TrimPrefix(name, "assets/")], err = files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Asset is a style sheet, script or picture by its name; nil for none.
func (r *Renderer) Asset(name string) []byte { return r.assets[name] }

// Home is what the page at / shows.
type Home struct {
	Now     time.Time
	Pages   []Watched
	Windows []Window // newest first
	// WindowsLost: the windows can't be read.
	WindowsLost bool
	Nodes       []Node
}

// Watched is a page with its visits. Trouble says why there is no number.
type Watched struct {
	Name    string
	Visits  int64
	Via     string
	Trouble string
	// Without is the address of this page without the one here, where others
	// are left.
	Without string
}

// Window is one window of unique ids.
type Window struct {
	ID                           string
	Start, End                   time.Time
	Count                        int64
	State                        string
	PublishedTo                  string
	Endpoints, Delivered, Failed int
}

// Node is a node of the ring.
type Node struct {
	ID      string
	Share   float64
	Answers bool
}

// Bar is a window in the chart.
type Bar struct {
	Window
	X, Y, Width, Height float64
}

// The chart's measures; page.js has the same.
const (
	chartWidth, chartHeight = 600.0, 120.0
	chartBars               = 60
)

// shownHome is a Home with what follows from it.
type shownHome struct {
	Home
	// Open is the newest window if it is open, and Passed how much of its
	// time is over, 0 to 1.
	Open   *Window
	Passed float64
	// Bars are the windows as the chart shows them, oldest first.
	Bars []Bar
}

func (h Home) shown() shownHome {
	shown := shownHome{Home: h, Bars: bars(h.Windows[:min(len(h.Windows), chartBars)])}
	if len(h.Windows) > 0 && h.Windows[0].State == "open" {
		w := &h.Windows[0]
		shown.Open = w
		shown.Passed = min(1, max(0, float64(h.Now.Sub(w.Start))/float64(w.End.Sub(w.Start))))
	}
	names := make([]string, 0, len(h.Pages))
	for _, p := range h.Pages {
		names = append(names, p.Name)
	}
	shown.Pages = slices.Clone(h.Pages)
	for i := range shown.Pages {
		if len(names) > 1 {
			shown.Pages[i].Without = address(slices.Concat(names[:i], names[i+1:]))
		}
	}
	return shown
}

func bars(windows []Window) []Bar {
	most := int64(1)
	for _, w := range windows {
		most = max(most, w.Count)
	}
	all := make([]Bar, 0, len(windows))
	step := chartWidth / chartBars
	for i, w := range slices.Backward(windows) {
		height := max(1, chartHeight*float64(w.Count)/float64(most))
		all = append(all, Bar{w, chartWidth - step*float64(i+1) + 1, chartHeight - height, step - 2, height})
	}
	return all
}

// address is that of the page at / when it watches pages.
func address(pages []string) string {
	return "/?" + url.Values{"page_id": pages}.Encode()
}

// Home renders the page at /.
func (r *Renderer) Home(h Home) ([]byte, error) { return r.home.render(h.shown()) }

// Grouped is a number with thin spaces between its groups of digits.
func Grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// functions are what the templates call; each takes one kind of value.
func functions() map[string]any {
	return map[string]any{
		"grouped": func(n any) string { return Grouped(n.(int64)) },
		"clock":   func(t any) string { return t.(time.Time).UTC().Format("15:04:05") },
		"stamp":   func(t any) string { return t.(time.Time).UTC().Format(time.RFC3339) },
		"percent": func(f any) string { return fmt.Sprintf("%.1f %%", 100*f.(float64)) },
	}
}
