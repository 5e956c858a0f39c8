// Package counting defines what is counted, visits of pages and unique ids of windows,
// and the ports of a node that stores the counts: Counts, Windows, Ledger and Movable.
// Adapters implement them. test/conformance checks every sentence of their comments.
package counting

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxPageBytes is the length of the longest page name, in bytes.
const MaxPageBytes = 256

// ErrBadPage is wrapped by every error of ParsePage.
var ErrBadPage = errors.New("bad page id")

// Page is the name of a page: 1 to 256 bytes of valid UTF-8 without control
// characters. Pages are equal if their bytes are.
type Page string

// ParsePage checks a page name that has been percent-decoded.
func ParsePage(s string) (Page, error) {
	switch {
	case s == "":
		return "", fmt.Errorf("%w: it is empty", ErrBadPage)
	case len(s) > MaxPageBytes:
		return "", fmt.Errorf("%w: it has %d bytes, the most is %d", ErrBadPage, len(s), MaxPageBytes)
	case isPrintableASCII(s): // as nearly all are
		return Page(s), nil
	case !utf8.ValidString(s):
		return "", fmt.Errorf("%w: it is not valid UTF-8", ErrBadPage)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "", fmt.Errorf("%w: it has the control character %U", ErrBadPage, r)
		}
	}
	return Page(s), nil
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
