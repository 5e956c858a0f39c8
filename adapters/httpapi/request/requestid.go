package request

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
)

// IDHeader is the header of a request's id.
const IDHeader = "X-Request-Id"

// plainID matches an id that can stand in a log as it is.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// ID is the id of a request in the log, and in the header of its answer
// unless the answer has begun. A caller may choose the id; one that is longer
// than 64 bytes or has other characters than A-Z a-z 0-9 - _ . is replaced. Only
// requests that are logged have an id.
func ID(answer Answer, header Header) string {
	if id := answer.Get(IDHeader); id != "" {
		return id
	}
	id := first(header, IDHeader)
	if !plainID.MatchString(id) {
		id = rand.Text()[:16]
	}
	answer.Set(IDHeader, id)
	return id
}

// LogIDs are the attributes by which a line of the log tells its request from others: request_id (ID), and trace_id
// where the request came with a valid header traceparent (W3C Trace Context, section 3.2).
func LogIDs(answer Answer, header Header) []any {
	ids := []any{"request_id", ID(answer, header)}
	if id, ok := traceID(header.Values("Traceparent")); ok {
		ids = append(ids, "trace_id", id)
	}
	return ids
}

// traceID reads VERSION-TRACE-PARENT-FLAGS, 2, 32, 16 and 2 lower-case hexadecimal digits. Versions after 00 may have
// more parts. Version ff, and a trace or parent of zeros, are invalid.
func traceID(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	parts := strings.Split(headers[0], "-")
	if len(parts) < 4 || parts[0] == "ff" || parts[0] == "00" && len(parts) > 4 {
		return "", false
	}
	for i, digits := range []int{2, 32, 16, 2} {
		part := parts[i]
		if _, err := hex.DecodeString(part); err != nil || len(part) != digits || part != strings.ToLower(part) {
			return "", false
		}
	}
	zeros := func(part string) bool { return strings.Trim(part, "0") == "" }
	return parts[1], !zeros(parts[1]) && !zeros(parts[2])
}
