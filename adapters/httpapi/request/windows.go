package request

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/publishing"
	"footfall/domain/timeline"
)

// Windows reads the parameters from, to, limit and cursor of a query for windows. A cursor
// ends the span where the list before it has ended.
func Windows(rawQuery string) (span publishing.Span, limit int, err error) {
	if err := Only(rawQuery, "from", "to", "limit", "cursor"); err != nil {
		return span, 0, err
	}
	if limit, err = LimitOr(rawQuery, DefaultWindows, maxWindows); err != nil {
		return span, 0, err
	}
	if span.From, err = timeOf(rawQuery, "from"); err != nil {
		return span, 0, err
	}
	if span.To, err = timeOf(rawQuery, "to"); err != nil {
		return span, 0, err
	}
	if !span.From.IsZero() && !span.To.IsZero() && span.From.After(span.To) {
		return span, 0, problem.BadRequest("bad_range", "The parameter from is after to.")
	}
	text, err := Param(rawQuery, "cursor")
	if err != nil || text == "" {
		return span, limit, err
	}
	end, err := parseCursor(text)
	if span.To.IsZero() || end.Before(span.To) {
		span.To = end
	}
	return span, limit, err
}

// timeOf reads a parameter that is a time, or a date in UTC; zero if it is not given.
func timeOf(rawQuery, name string) (time.Time, error) {
	text, err := Param(rawQuery, name)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	return timeline.ParseTime(name, plus(text), time.UTC)
}

// Cursor is where a list of windows goes on whose last one starts at a time: a position in
// time, so that it holds whatever is stored, and where. Windows start at whole seconds.
func Cursor(start time.Time) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(start.Unix())))
}

// parseCursor reads what Cursor has made. Its error is bad_cursor.
func parseCursor(text string) (time.Time, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil && len(b) == 8 {
		// An arbitrary text hardly ever is a time from 1970 to 9999.
		if at := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC(); at.Unix() >= 0 && at.Year() <= 9999 && Cursor(at) == text {
			return at, nil
		}
	}
	return time.Time{}, problem.BadRequest("bad_cursor", "The parameter cursor is no next_cursor of an answer.")
}
