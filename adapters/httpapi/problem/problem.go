// Package problem says what went wrong: it has the one table from errors to
// statuses, the texts that callers see, and their JSON (RFC 9457). It knows no
// HTTP library, so that another adapter for HTTP may answer by it.
package problem

import (
	"encoding/json"
	"math"
	"time"
)

// The statuses of faults, as in RFC 9110.
const (
	badRequest       = 400
	unauthorized     = 401
	forbidden        = 403
	notFound         = 404
	methodNotAllowed = 405
	requestTimeout   = 408
	conflict         = 409
	tooLarge         = 413
	wrongType        = 415
	unprocessable    = 422
	tooManyRequests  = 429
	internal         = 500
	notImplemented   = 501
	unavailable      = 503
	gatewayTimeout   = 504
)

// Fault is an error as a caller sees it. Code names it for programs, in problems
// and in the results of single items.
type Fault struct {
	Status       int
	Code, Detail string
	// Reasons are the causes, where there is more than one.
	Reasons []string
	// RetryAfter is in seconds; 0 is no such header.
	RetryAfter int
	// Unexpected: the table has no row for the error. Its text belongs into
	// the log, and the caller doesn't see it.
	Unexpected bool
}

func (f Fault) Error() string { return f.Code }

// Title is the reason phrase of the status, as RFC 9110 has it or had it before; it is
// empty for a status that no fault has.
func (f Fault) Title() string {
	switch f.Status {
	case badRequest:
		return "Bad Request"
	case unauthorized:
		return "Unauthorized"
	case forbidden:
		return "Forbidden"
	case notFound:
		return "Not Found"
	case methodNotAllowed:
		return "Method Not Allowed"
	case requestTimeout:
		return "Request Timeout"
	case conflict:
		return "Conflict"
	case tooLarge:
		return "Request Entity Too Large"
	case wrongType:
		return "Unsupported Media Type"
	case unprocessable:
		return "Unprocessable Entity"
	case tooManyRequests:
		return "Too Many Requests"
	case internal:
		return "Internal Server Error"
	case notImplemented:
		return "Not Implemented"
	case unavailable:
		return "Service Unavailable"
	case gatewayTimeout:
		return "Gateway Timeout"
	}
	return ""
}

// JSON is the body of an answer, of the type application/problem+json.
func (f Fault) JSON() []byte {
	// Strings and a number always encode.
	body, _ := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		// Reasons is an extension that one route has.
		Reasons []string `json:"reasons,omitempty"`
	}{"about:blank", f.Title(), f.Status, f.Detail, f.Code, f.Reasons})
	return body
}

// Item is why one item of several has no result.
type Item struct {
	Error  string `json:"error"`
	Detail string `json:"detail"`
}

// Item is the fault in the result of an item.
func (f Fault) Item() *Item { return &Item{f.Code, f.Detail} }

// AppendItem writes an Item after the other fields of its result.
func (f Fault) AppendItem(b []byte) []byte {
	b = append(b, `,"error":"`...)
	b = AppendEscaped(b, f.Code)
	b = append(b, `","detail":"`...)
	return append(AppendEscaped(b, f.Detail), '"')
}

// AppendEscaped appends s as it is between the quotes of a JSON string.
func AppendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted[1:len(quoted)-1]...)
		}
	}
	return append(b, s...)
}

// InDoubt reports whether it is not known if the request was applied.
func (f Fault) InDoubt() bool { return f.Status == gatewayTimeout }

// New is a fault that can't be repeated with another result.
func New(status int, code, detail string) Fault {
	return Fault{Status: status, Code: code, Detail: detail}
}

// BadRequest is a request that can't be right when it is repeated.
func BadRequest(code, detail string) Fault { return New(badRequest, code, detail) }

// NotFound is a request for something that doesn't exist.
func NotFound(code, detail string) Fault { return New(notFound, code, detail) }

// TooSlow is a body that did not arrive in time.
func TooSlow(detail string) Fault { return New(requestTimeout, "too_slow", detail) }

// TooLarge is a body that exceeds a limit.
func TooLarge(detail string) Fault { return New(tooLarge, "too_large", detail) }

// Unavailable is a request that changed nothing and can be repeated after a
// number of seconds.
func Unavailable(code, detail string, retryAfter int) Fault {
	return Fault{Status: unavailable, Code: code, Detail: detail, RetryAfter: retryAfter}
}

// Until is the fault of a request that can be repeated after a while.
func (f Fault) Until(after time.Duration) Fault {
	f.RetryAfter = max(1, int(math.Ceil(after.Seconds())))
	return f
}

// ClientLimit is a request of a client that has all that one client may have at a time. It
// can be repeated after a number of seconds.
func ClientLimit(detail string, retryAfter int) Fault {
	return Fault{Status: tooManyRequests, Code: "client_limit", Detail: detail, RetryAfter: retryAfter}
}

// RateLimited is a request of a client that sends too many, which may send the
// next one after a while.
func RateLimited(after time.Duration) Fault {
	f := New(tooManyRequests, "rate_limited", "This client sends too many requests; this one changed nothing.")
	return f.Until(after)
}
