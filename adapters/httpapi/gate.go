package httpapi

import "sync/atomic"

// gate lets at most limit callers in at once and never lets one wait. A limit
// of 0 is none.
type gate struct {
	limit  int64
	inside atomic.Int64
}

// enter tells whether the caller is in; one that is calls leave.
func (g *gate) enter() bool {
	if g.inside.Add(1) > g.limit && g.limit > 0 {
		g.inside.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.inside.Add(-1) }
