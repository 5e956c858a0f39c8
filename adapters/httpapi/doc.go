// Package httpapi is the driving adapter for HTTP: the public listener, which
// counts and tells counts, and the admin listener. It reads requests strictly,
// hands domain values to Visits and Uniques, and turns their errors into
// statuses by one table (faults.go). Formats: openapi.json beside this file,
// errors as application/problem+json (RFC 9457), those of the accept route as
// the text "failed". Failure: 503 says that nothing was counted, 504 that it
// isn't known; no answer holds a node's address or the text of an inner error.
package httpapi
