// Package page renders what the public listener shows to people: the page at
// /, the documentation at /docs, and badges. It knows no route and asks for
// nothing; all that it makes comes from its arguments and its own files.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
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
	home, docs *template.Template
	assets     map[string][]byte
}

// New reads the embedded files.
func New() (*Renderer, error) {
	r := &Renderer{assets: map[string][]byte{}}
	functions := template.FuncMap{"grouped": Grouped, "clock": clock, "percent": percent}
	for name, t := range map[string]**template.Template{"home.html": &r.home, "docs.html": &r.docs} {
		parsed, err := template.New(name).Funcs(functions).ParseFS(sources, name)
		if err != nil {
			return nil, fmt.Errorf("parse the template of a page: %w", err)
		}
		*t = parsed
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

// Open is the newest window if it is open.
func (h Home) Open() *Window {
	if len(h.Windows) > 0 && h.Windows[0].State == "open" {
		return &h.Windows[0]
	}
	return nil
}

// Bars are the windows as the chart shows them, oldest first.
func (h Home) Bars() []Bar {
	most := int64(1)
	shown := h.Windows[:min(len(h.Windows), chartBars)]
	for _, w := range shown {
		most = max(most, w.Count)
	}
	bars := make([]Bar, 0, len(shown))
	step := chartWidth / chartBars
	for i := len(shown) - 1; i >= 0; i-- {
		height := max(1, chartHeight*float64(shown[i].Count)/float64(most))
		bars = append(bars, Bar{shown[i], chartWidth - step*float64(i+1) + 1, chartHeight - height, step - 2, height})
	}
	return bars
}

// Passed is how much of a window's time is over, 0 to 1.
func (h Home) Passed(w Window) float64 {
	return min(1, max(0, float64(h.Now.Sub(w.Start))/float64(w.End.Sub(w.Start))))
}

// address is that of the page at / when it watches pages.
func address(pages []string) string {
	return "/?" + url.Values{"page_id": pages}.Encode()
}

// Home renders the page at /.
func (r *Renderer) Home(h Home) ([]byte, error) {
	names := make([]string, 0, len(h.Pages))
	for _, p := range h.Pages {
		names = append(names, p.Name)
	}
	for i := range h.Pages {
		if len(names) == 1 {
			break
		}
		rest := append(append([]string{}, names[:i]...), names[i+1:]...)
		h.Pages[i].Without = address(rest)
	}
	return render(r.home, h)
}

func render(t *template.Template, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("render a page: %w", err)
	}
	return b.Bytes(), nil
}

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

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

func percent(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }
