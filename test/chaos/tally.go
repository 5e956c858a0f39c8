package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Fault is a kind of thing that goes wrong, or a consequence that shows that a corner of
// the protocol was reached. A run without those that are wanted proves nothing.
type Fault string

// Tally counts faults. It is safe for concurrent use.
type Tally struct {
	mu sync.Mutex
	of map[Fault]int
}

// NewTally is one of nothing.
func NewTally() *Tally { return &Tally{of: make(map[Fault]int)} }

// Add counts one.
func (t *Tally) Add(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of[f]++
}

// Count is how often a fault happened.
func (t *Tally) Count(f Fault) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of[f]
}

// Counts is how often each fault has happened.
func (t *Tally) Counts() map[Fault]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.of)
}

// AddAll adds what another tally has.
func (t *Tally) AddAll(other *Tally) {
	more := other.Counts()
	t.mu.Lock()
	defer t.mu.Unlock()
	for f, n := range more {
		t.of[f] += n
	}
}

// Missing are those of the wanted faults that did not happen.
func (t *Tally) Missing(wanted []Fault) []Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(wanted), func(f Fault) bool { return t.of[f] > 0 })
}

// String lists the faults in the order of their names.
func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var line strings.Builder
	for _, f := range slices.Sorted(maps.Keys(t.of)) {
		fmt.Fprintf(&line, " %s=%d", f, t.of[f])
	}
	return line.String()
}
