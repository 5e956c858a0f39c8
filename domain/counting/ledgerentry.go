package counting

import (
	"fmt"
	"time"
)

// How long a node keeps what it needs no more.
const (
	// SessionLife: a session, after its last batch.
	SessionLife = 7 * 24 * time.Hour
	// WindowLife: ids and endpoints after Retire, calls after Done.
	WindowLife = 10 * time.Minute
	// EntryLife: an entry, after its last change.
	EntryLife = 7 * 24 * time.Hour
)

// MaxWaiting is the most windows that Windows.Heartbeat lists.
const MaxWaiting = 100

// LedgerEntry is an Entry with the claim on it, as a Ledger keeps it. Its methods
// are the decisions of the Ledger's methods of the same names, for adapters
// that keep values; one that returns an error has changed nothing.
type LedgerEntry struct {
	Entry
	Owner string
	// Claims is the number of claims so far; it tells their tokens apart.
	Claims int64
	// Until is when the lease is over, Changed the time of the last change.
	Until, Changed time.Time
}

// NewLedgerEntry is the entry of an unclaimed window.
func NewLedgerEntry(w Window) LedgerEntry { return LedgerEntry{Entry: Entry{Window: w, State: Open}} }

// token names the owner as well as the number, so that a node that came back
// in an older state gives no token that another owner holds already.
func (c *LedgerEntry) token() string { return fmt.Sprintf("%d-%s", c.Claims, c.Owner) }

// Claim returns the new token, or an empty one for a window that is over.
func (c *LedgerEntry) Claim(owner string, now time.Time, lease time.Duration) (token string, err error) {
	switch {
	case c.State == Done || c.State == Lost:
		return "", nil
	case c.Claims > 0 && owner != c.Owner && now.Before(c.Until):
		return "", ErrBusy
	}
	c.Owner, c.Until, c.Changed = owner, now.Add(lease), now
	c.Claims++
	return c.token(), nil
}

// Advance changes the entry by a step of the owner of the token. A step that was
// done before, or that another one made unnecessary, changes nothing. Errors, which change
// nothing: ErrStaleToken, and ErrNotApplied where an earlier step is missing.
func (c *LedgerEntry) Advance(token string, now time.Time, s Step) error {
	if c.Claims == 0 || token != c.token() {
		return ErrStaleToken
	}
	before := c.State
	switch {
	case s.Action == ActionRenew:
		c.Until, c.Changed = now.Add(s.Lease), now
	case s.Action == ActionDelivery:
		c.Changed = now
	case s.Action == ActionPublish && c.State == Open, s.Action == ActionFinish && (c.State == Open || c.State == Sealed):
		return fmt.Errorf("%w: the window is %s", ErrNotApplied, c.State)
	case s.Action == ActionRecord && c.State == Open:
		c.State, c.Count = Sealed, s.Count
	case s.Action == ActionLose && c.State == Open:
		c.State = Lost
	case s.Action == ActionPublish && c.State == Sealed:
		c.State, c.Sink = Published, s.Sink
	case s.Action == ActionFinish && c.State == Published:
		c.State, c.Deliveries = Done, s.Totals
	}
	if c.State != before {
		c.Changed = now
	}
	return nil
}

// Take makes the entry that another node had this one's, and tells whether it
// did: not where either says what the other need not know.
func (c *LedgerEntry) Take(e Entry, now time.Time) bool {
	if c.State != Open || e.State == Open || e.State == Damaged {
		return false
	}
	c.Entry, c.Changed = e, now
	return true
}
