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

// NewLedgerEntry is a window that nobody has claimed yet.
func NewLedgerEntry(w Window) LedgerEntry { return LedgerEntry{Entry: Entry{Window: w, State: Open}} }

// token names the owner as well as the number, so that a node that came back
// in an older state gives no token that another owner holds already.
func (c *LedgerEntry) token() string { return fmt.Sprintf("%d-%s", c.Claims, c.Owner) }

func (c *LedgerEntry) check(token string) error {
	if c.Claims == 0 || token != c.token() {
		return ErrStaleToken
	}
	return nil
}

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

// Renew lets the lease begin at now.
func (c *LedgerEntry) Renew(token string, now time.Time, lease time.Duration) error {
	if err := c.check(token); err != nil {
		return err
	}
	c.Until, c.Changed = now.Add(lease), now
	return nil
}

// Record freezes the count, unless it is, and returns it.
func (c *LedgerEntry) Record(token string, now time.Time, count int64) (int64, error) {
	if err := c.check(token); err != nil {
		return 0, err
	}
	if c.State == Open {
		c.State, c.Count, c.Changed = Sealed, count, now
	}
	return c.Count, nil
}

// MarkLost gives the window up, unless its count is recorded.
func (c *LedgerEntry) MarkLost(token string, now time.Time) error {
	if err := c.check(token); err != nil {
		return err
	}
	if c.State == Open {
		c.State, c.Changed = Lost, now
	}
	return nil
}

// Publish notes the sink, unless one is noted.
func (c *LedgerEntry) Publish(token string, now time.Time, sink string) error {
	if err := c.check(token); err != nil {
		return err
	}
	switch c.State {
	case Open:
		return fmt.Errorf("publish window %d: %w: its count is not recorded", c.Window, ErrNotApplied)
	case Sealed:
		c.State, c.Sink, c.Changed = Published, sink, now
	}
	return nil
}

// Finish notes the totals, unless they are.
func (c *LedgerEntry) Finish(token string, now time.Time, totals DeliveryTotals) error {
	if err := c.check(token); err != nil {
		return err
	}
	switch c.State {
	case Open, Sealed:
		return fmt.Errorf("finish window %d: %w: it is not published", c.Window, ErrNotApplied)
	case Published:
		c.State, c.Deliveries, c.Changed = Done, totals, now
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

// SaveDelivery notes that a call of the window was kept.
func (c *LedgerEntry) SaveDelivery(token string, now time.Time) error {
	if err := c.check(token); err != nil {
		return err
	}
	c.Changed = now
	return nil
}
