package counting

import (
	"fmt"
	"time"
)

// How long a node keeps what is not needed any more.
const (
	// SessionLife: a session, after its last batch.
	SessionLife = 7 * 24 * time.Hour
	// WindowLife: ids and endpoints after Retire, deliveries after Done.
	WindowLife = 10 * time.Minute
	// EntryLife: an entry, after its last change.
	EntryLife = 7 * 24 * time.Hour
)

// MaxLease is the longest lease. One that ends later was given before the clock stepped
// back: it excludes no owner.
const MaxLease = time.Minute

// MaxWaiting is the most windows that Windows.Heartbeat lists.
const MaxWaiting = 100

// LedgerEntry is an Entry with its claim, as a Ledger stores it. Its methods are
// the decisions of the Ledger's methods of the same names. One that returns an error
// has changed nothing.
type LedgerEntry struct {
	Entry
	Owner string
	// Claims is the number of claims so far. Each has another token.
	Claims int64
	// Until is when the lease is over, Changed the time of the last change.
	Until, Changed time.Time
}

// NewLedgerEntry is the entry of an unclaimed window.
func NewLedgerEntry(w Window) LedgerEntry { return LedgerEntry{Entry: Entry{Window: w, State: Open}} }

// token has the owner as well as the number. So a node that was rolled back to an
// older state gives no token that another owner holds already.
func (c *LedgerEntry) token() string { return fmt.Sprintf("%d-%s", c.Claims, c.Owner) }

// Claim returns the new token, or an empty one for a window that is Done or Lost.
// ErrBusy: another owner has the lease.
func (c *LedgerEntry) Claim(owner string, now time.Time, lease time.Duration) (token string, err error) {
	switch {
	case c.State == Done || c.State == Lost:
		return "", nil
	case c.Claims > 0 && owner != c.Owner && now.Before(c.Until) && !c.Until.After(now.Add(MaxLease)):
		return "", ErrBusy
	}
	c.Owner, c.Until, c.Changed = owner, now.Add(lease), now
	c.Claims++
	return c.token(), nil
}

// Advance changes the entry by a step of the owner of the token. A step that was
// done before, or that another one made unnecessary, changes nothing. Errors:
// ErrStaleToken, and ErrNotApplied if an earlier step is missing.
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
		return Mark(fmt.Errorf("the window is %s", c.State), ErrNotApplied)
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

// Import replaces the entry by that of another node, and reports whether it did. It
// does if this entry is Open, or Sealed or Published with the same count and the other one
// is further. An Open or Damaged one replaces none.
func (c *LedgerEntry) Import(e Entry, now time.Time) bool {
	further := (c.State == Sealed || c.State == Published) && e.Count == c.Count && e.Supersedes(c.Entry)
	if c.State != Open && !further || e.State == Open || e.State == Damaged {
		return false
	}
	c.Entry, c.Changed = e, now
	return true
}
