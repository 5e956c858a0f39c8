package resharding

import "slices"

// Edges are the edges of the state machine of a change.
func Edges() map[Phase][]Phase {
	edges := make(map[Phase][]Phase)
	for phase, s := range steps() {
		to := []Phase{s.onSuccess, s.onError}
		if s.special != nil {
			to = append(to, s.onSpecial)
		}
		slices.Sort(to)
		edges[phase] = slices.Compact(to)
	}
	return edges
}
