package counting_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"footfall/domain/counting"
)

// V22 of the list of failures: names that look like keys of our own are names
// like any other, and there are limits.
func TestParsePageTakesAnyNameOfTheContract(t *testing.T) {
	for _, s := range []string{
		"home", "/", "a/b", "a b", " ", "visit:x", "c:{7}", "ff:T", "*", "..", "?q#f", "%2F", `"`, `\`, "7",
		"é", "e\u0301", "日本語", "👩\u200d🚀", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\U0010ffff",
		strings.Repeat("x", 256), strings.Repeat("é", 128), strings.Repeat("👣", 64),
	} {
		if p, err := counting.ParsePage(s); err != nil || string(p) != s {
			t.Errorf("%q: got (%q, %v)", s, p, err)
		}
	}
}

// V22 of the list of failures.
func TestParsePageRefuses(t *testing.T) {
	for s, says := range map[string]string{
		"":                             "it is empty",
		strings.Repeat("x", 257):       "it has 257 bytes, the most is 256",
		strings.Repeat("é", 129):       "it has 258 bytes",
		strings.Repeat("x", 1<<20):     "it has 1048576 bytes",
		"\x00":                         "control character U+0000",
		"a\nb":                         "control character U+000A",
		"a\r":                          "control character U+000D",
		"\tb":                          "control character U+0009",
		"\x1b[31m":                     "control character U+001B",
		"\x7f":                         "control character U+007F",
		"\u0085":                       "control character U+0085",
		"\u009f":                       "control character U+009F",
		"\xff":                         "not valid UTF-8",
		"a\xc3":                        "not valid UTF-8",
		"\xc0\x80":                     "not valid UTF-8",
		"\xed\xa0\x80":                 "not valid UTF-8",
		"\xf4\x90\x80\x80":             "not valid UTF-8",
		strings.Repeat("x", 255) + "é": "it has 257 bytes",
	} {
		p, err := counting.ParsePage(s)
		if !errors.Is(err, counting.ErrBadPage) || p != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: got (%.20q, %v), want an error that says %q", s, p, err, says)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		p, err := counting.ParsePage(s)
		good := s != "" && len(s) <= 256 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
		switch {
		case good && (err != nil || string(p) != s):
			t.Fatalf("%q: got (%q, %v)", s, p, err)
		case !good && (!errors.Is(err, counting.ErrBadPage) || p != ""):
			t.Fatalf("%q: got (%q, %v), want ErrBadPage", s, p, err)
		}
		if err != nil && (len(err.Error()) > 100 || !utf8.ValidString(err.Error()) || strings.ContainsFunc(err.Error(), unicode.IsControl)) {
			t.Fatalf("%q: the error is %q", s, err)
		}
	})
}
