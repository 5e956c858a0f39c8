package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
)

// pathMatcher matches a template such as /visits/{page_id}/badge.svg, with one
// variable or none, against the path as it was sent. %2F belongs to the variable, and a
// slash does if slashes is set.
//
// It is a mux.MatcherFunc because mux's own templates see a decoded path, or one
// that mux has encoded again, in which a%2Fb equals a/b beside bytes that
// were sent without encoding. They also take four times as long as all else that
// is done here for a request.
type pathMatcher struct {
	prefix, suffix    string
	variable, slashes bool
}

func newPathMatcher(rt *Route) pathMatcher {
	prefix, rest, variable := strings.Cut(rt.Path, "{")
	_, suffix, _ := strings.Cut(rest, "}")
	return pathMatcher{prefix, suffix, variable, rt.Slashes}
}

func (p *pathMatcher) match(r *http.Request, _ *mux.RouteMatch) bool {
	rest, ok := strings.CutPrefix(sentPath(r.URL), p.prefix)
	if !ok || !p.variable {
		return ok && rest == ""
	}
	if p.suffix != "" { // few have one, and all are asked at every request
		if rest, ok = strings.CutSuffix(rest, p.suffix); !ok {
			return false
		}
	}
	return p.slashes || strings.IndexByte(rest, '/') < 0
}

// value is the variable's value in a path that matches, percent-decoded.
func (p *pathMatcher) value(u *url.URL) string {
	rest := strings.TrimSuffix(sentPath(u)[len(p.prefix):], p.suffix)
	if u.RawPath == "" {
		return rest
	}
	// net/url made RawPath and Path of the same text, so it decodes.
	decoded, _ := url.PathUnescape(rest)
	return decoded
}

// sentPath is the path without decoding where decoding loses something: net/url
// has RawPath only there.
func sentPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.Path
}
