package httpcallback

import (
	"errors"
	"net/url"
	"strings"
)

// Contact is a URL or a mailto address under which the owner of a deployment can be
// reached. The zero value is none.
type Contact string

// ParseContact reads https://, http:// or mailto:, and the empty text as none.
func ParseContact(text string) (Contact, error) {
	const maxContact = 256
	u, err := url.Parse(text)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
	mail := err == nil && u.Scheme == "mailto" && strings.Contains(u.Opaque, "@")
	strange := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()\"`, r) }
	switch {
	case text == "":
		return "", nil
	case !web && !mail, len(text) > maxContact, strings.ContainsFunc(text, strange):
		return "", errors.New("want a URL, or mailto: and an address, in ASCII without spaces and parentheses")
	}
	return Contact(text), nil
}

// userAgent names the service, and its owner's contact as a comment (RFC 9110, 10.1.5).
func (c Contact) userAgent() string {
	if c == "" {
		return "footfall"
	}
	return "footfall (+" + string(c) + ")"
}
