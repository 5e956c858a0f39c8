package filelog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"footfall/domain/publishing"
)

const (
	// The events of lines.
	uniqueIDs, callback, leftOut = "unique_ids", "callback", "callbacks_left_out"
	// stamp is RFC 3339 in UTC with milliseconds, always 24 bytes.
	stamp = "2006-01-02T15:04:05.000Z"
	// maxText bounds the answer and the error in a line, in bytes, and in bytes
	// after escaping, too.
	maxText = 256
	// maxEndpoint bounds the endpoint in a line in the same way.
	maxEndpoint = 512
)

// MaxAttemptLine is the length of the longest line of a delivery, in bytes.
const MaxAttemptLine = maxEndpoint + 2*maxText + 300

func countLine(now time.Time, r publishing.Report) []byte {
	return encode(struct {
		Time  string `json:"time"`
		Event string `json:"event"`
		publishing.Report
	}{now.UTC().Format(stamp), uniqueIDs, r.UTC()})
}

func attemptLine(now time.Time, a publishing.Attempt) []byte {
	text := ""
	if a.Err != nil {
		text = scrub(a.Err.Error(), a.Endpoint)
	}
	return encode(struct {
		Time     string `json:"time"`
		Event    string `json:"event"`
		ID       string `json:"id"`
		Endpoint string `json:"endpoint"`
		Attempt  int    `json:"attempt"`
		Status   int    `json:"status"`
		Millis   int64  `json:"duration_ms"`
		Response string `json:"response"`
		Error    string `json:"error,omitempty"`
	}{
		now.UTC().Format(stamp), callback, a.ReportID, shorten(a.Endpoint.Redacted(), maxEndpoint),
		a.Number, a.Status, a.Took.Milliseconds(), shorten(clip(a.Response), maxText), text,
	})
}

func leftOutLine(now time.Time, reportID string, lines int) []byte {
	return encode(struct {
		Time  string `json:"time"`
		Event string `json:"event"`
		ID    string `json:"id"`
		Lines int    `json:"lines"`
	}{now.UTC().Format(stamp), leftOut, reportID, lines})
}

// shorten returns as many runes of s as have at most so many bytes when they are escaped.
func shorten(s string, most int) string {
	size := 0
	for at, r := range s {
		size += escapedSize(r)
		if size > most {
			return s[:at]
		}
	}
	return s
}

// escapedSize is how many bytes encode makes of a rune of a text.
func escapedSize(r rune) int {
	const unit = len(`\u0000`)
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
		return 2
	case !unicode.IsPrint(r):
		return unit * len(utf16.Encode([]rune{r}))
	}
	return utf8.RuneLen(r)
}

// encode returns v as one line of JSON, whose only newline is at its end. It
// escapes what is not printable: control characters, line and paragraph
// separators, marks that change the direction of writing.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, numbers and the times of windows cannot fail
	line := make([]byte, 0, b.Len())
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if unicode.IsPrint(r) {
			line = utf8.AppendRune(line, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			line = fmt.Appendf(line, `\u%04x`, unit)
		}
	}
	return append(line, '\n')
}

// clip returns at most maxText bytes of s, in whole runes. It replaces bytes
// that are not UTF-8.
func clip(s string) string {
	if len(s) >= maxText { // the caller may have cut it within a rune
		s = whole(s[:maxText])
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return whole(s[:min(len(s), maxText)])
}

// whole returns s without an incomplete rune at its end.
func whole(s string) string {
	for i := max(0, len(s)-utf8.UTFMax); i < len(s); i++ {
		if !utf8.FullRuneInString(s[i:]) {
			return s[:i]
		}
	}
	return s
}

// afterScheme matches what follows the scheme of a URL in a text; its group is
// what is neither user, query nor fragment.
var afterScheme = regexp.MustCompile(`://(?:[^/?# \t\r\n"]*@)?([^?# \t\r\n"]*)[^ \t\r\n"]*`)

// scrub removes the users, queries and fragments of URLs from an error's text,
// and the endpoint's own query everywhere.
func scrub(text string, e publishing.Endpoint) string {
	if _, query, _ := strings.Cut(string(e), "?"); query != "" {
		text = strings.ReplaceAll(text, "?"+query, "")
	}
	return shorten(clip(afterScheme.ReplaceAllString(text, "://$1")), maxText)
}
