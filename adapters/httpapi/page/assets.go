package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

// Asset is a style sheet, script or picture of the pages.
type Asset struct {
	MediaType string
	body      []byte
	gzipped   bool
}

// readAssets returns our own assets and those of Swagger UI, by their names.
func readAssets() (map[string]Asset, error) {
	assets := map[string]Asset{}
	own, err := files.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, entry := range own {
		body, err := files.ReadFile("assets/" + entry.Name())
		if err != nil {
			return nil, err
		}
		assets[entry.Name()] = Asset{MediaType: mediaType(entry.Name()), body: body}
	}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		body, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			return nil, err
		}
		assets[name] = Asset{MediaType: mediaType(name), body: body, gzipped: true}
	}
	return assets, nil
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return "image/svg+xml"
}

// Asset returns the asset of a name, and whether there is one.
func (r *Renderer) Asset(name string) (Asset, bool) {
	a, ok := r.assets[name]
	return a, ok
}

// Encode returns the body for a client with this Accept-Encoding, and the
// Content-Encoding of the body: "gzip", or "" for none.
func (a Asset) Encode(accept string) (body []byte, encoding string, err error) {
	switch {
	case !a.gzipped:
		return a.body, "", nil
	case acceptsGzip(accept):
		return a.body, "gzip", nil
	}
	r, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		return nil, "", err
	}
	body, err = io.ReadAll(r)
	return body, "", err
}

func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if coding, weight, _ := strings.Cut(part, ";"); strings.TrimSpace(coding) == "gzip" {
			return strings.TrimSpace(weight) != "q=0"
		}
	}
	return false
}
