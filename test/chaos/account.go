package chaos

import "sync"

// Outcome is what the caller of the service knows about one request.
type Outcome int

// The outcomes. Refused is one that was not counted and never will be.
const (
	Acknowledged Outcome = iota
	Refused
	Unknown
)

// Account is what the callers know of one page. It is safe for concurrent use.
type Account struct {
	// Base is what was planted before the callers came.
	Base int64

	mu                              sync.Mutex
	issued, acked, refused, unknown int64
}

// Issue notes that n visits are about to be sent.
func (a *Account) Issue(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issued += n
}

// Settle notes what became of n visits that were issued.
func (a *Account) Settle(o Outcome, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch o {
	case Acknowledged:
		a.acked += n
	case Refused:
		a.refused += n
	case Unknown:
		a.unknown += n
	}
}

// Bounds are the least that a read begun now may show above Base, and the
// most that one ended now may.
func (a *Account) Bounds() (least, most int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked, a.issued - a.refused
}

// Totals are the visits that were settled.
func (a *Account) Totals() (acked, refused, unknown int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked, a.refused, a.unknown
}
