package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

// Asset returns a style sheet, script or picture of the pages, which is one of our
// own or of Swagger UI's, for a client with an Accept-Encoding. encoding is the
// Content-Encoding of the body: "gzip", or "" for none. The error is
// fs.ErrNotExist for a name of no asset.
func Asset(name, accept string) (body []byte, encoding string, err error) {
	if name != "swagger-ui.css" && name != "swagger-ui-bundle.js" {
		body, err = files.ReadFile("assets/" + name)
		return body, "", err
	}
	body, err = static.FS.ReadFile(name + ".gz")
	if err != nil || acceptsGzip(accept) {
		return body, "gzip", err
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	body, err = io.ReadAll(r)
	return body, "", err
}

// MediaType is the Content-Type of an asset.
func MediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return "image/svg+xml"
}

func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if coding, weight, _ := strings.Cut(part, ";"); strings.TrimSpace(coding) == "gzip" {
			return strings.TrimSpace(weight) != "q=0"
		}
	}
	return false
}
