package httpapi

import (
	"net/url"
	"strings"
)

// pattern is a path, or a prefix followed by one segment that is a parameter,
// and by a suffix.
// It looks at the path as it was sent, so %2F belongs to a parameter and a
// slash doesn't.
type pattern struct {
	prefix string
	// param names the parameter; empty is none.
	param  string
	suffix string
}

// at makes a pattern of a path like /visit/{page_id}.
func at(path string) pattern {
	prefix, rest, _ := strings.Cut(path, "{")
	param, suffix, _ := strings.Cut(rest, "}")
	return pattern{prefix: prefix, param: param, suffix: suffix}
}

func (p *pattern) String() string {
	if p.param == "" {
		return p.prefix
	}
	return p.prefix + "{" + p.param + "}" + p.suffix
}

func (p *pattern) matches(u *url.URL) bool {
	rest, ok := strings.CutPrefix(sent(u), p.prefix)
	if !ok || p.param == "" {
		return ok && rest == ""
	}
	if p.suffix != "" { // few have one, and all are asked at every request
		if rest, ok = strings.CutSuffix(rest, p.suffix); !ok {
			return false
		}
	}
	return strings.IndexByte(rest, '/') < 0
}

// value is the parameter's value in a path that matches, percent-decoded.
func (p *pattern) value(u *url.URL) string {
	rest := strings.TrimSuffix(sent(u)[len(p.prefix):], p.suffix)
	if u.RawPath == "" {
		return rest
	}
	// net/url made RawPath and Path of the same text, so it decodes.
	decoded, _ := url.PathUnescape(rest)
	return decoded
}

// sent is the path as far as it must be seen undecoded: net/url keeps RawPath
// only where decoding and encoding again gives something else, as with %2F.
func sent(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.Path
}
