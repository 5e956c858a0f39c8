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

// FindAsset returns one of our own assets, or of those of Swagger UI, by its name.
// The error is fs.ErrNotExist for any other name.
func FindAsset(name string) (Asset, error) {
	if name == "swagger-ui.css" || name == "swagger-ui-bundle.js" {
		body, err := static.FS.ReadFile(name + ".gz")
		return Asset{MediaType: mediaType(name), body: body, gzipped: true}, err
	}
	body, err := files.ReadFile("assets/" + name)
	return Asset{MediaType: mediaType(name), body: body}, err
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
