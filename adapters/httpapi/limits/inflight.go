// Package limits bounds how much callers may ask at a time, and how often. It
// knows no HTTP library, so that another adapter for HTTP may use it.
package limits

import "sync/atomic"

// InFlight admits at most Limit callers at the same time; the others don't
// wait. A limit of 0 is none. It is safe for concurrent use.
type InFlight struct {
	Limit int64
	n     atomic.Int64
}

// Acquire reports whether the caller is admitted; it must then call Release.
func (f *InFlight) Acquire() bool {
	if f.n.Add(1) > f.Limit && f.Limit > 0 {
		f.n.Add(-1)
		return false
	}
	return true
}

// Release ends what Acquire began.
func (f *InFlight) Release() { f.n.Add(-1) }
