package chaos

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"footfall/domain/counting"
)

// Books are what the callers know of all pages, and the promises that were seen
// broken. They are safe for concurrent use.
type Books struct {
	// Diary, if it isn't nil, says when.
	Diary *Diary

	mu       sync.Mutex
	accounts map[counting.Page]*Account
	broken   []string
	nextID   counting.ID
}

// Account is that of a page.
func (b *Books) Account(page counting.Page) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.accounts == nil {
		b.accounts = make(map[counting.Page]*Account)
	}
	if b.accounts[page] == nil {
		b.accounts[page] = &Account{}
	}
	return b.accounts[page]
}

// Accounts are those of all pages that were asked for.
func (b *Books) Accounts() map[counting.Page]*Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.accounts)
}

// NewID is an id that was not sent yet.
func (b *Books) NewID() counting.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nextID++
	return b.nextID
}

// Violate notes a promise that is broken. The text begins with the promise's number.
func (b *Books) Violate(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = append(b.broken, fmt.Sprintf(format, args...))
}

// Violations are the promises that were seen broken.
func (b *Books) Violations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
}

// Totals are all visits and ids in one line.
func (b *Books) Totals() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var acked, refused, unknown int64
	for _, a := range b.accounts {
		pageAcked, pageRefused, pageUnknown := a.Totals()
		acked, refused, unknown = acked+pageAcked, refused+pageRefused, unknown+pageUnknown
	}
	return fmt.Sprintf("visits %d acknowledged, %d unknown, %d refused; ids %d", acked, unknown, refused, b.nextID)
}

// Report fails the test with what was violated in the run of a seed.
func (b *Books) Report(t *testing.T, seed uint64) {
	t.Helper()
	all := b.Violations()
	for _, v := range all[:min(20, len(all))] {
		t.Errorf("seed %d: %s", seed, v)
	}
}

// RefusedItems are the items of a batch that were refused, by their numbers.
func RefusedItems(r counting.Receipt) map[int]bool {
	refused := make(map[int]bool, len(r.Refused))
	for _, one := range r.Refused {
		refused[one.Item] = true
	}
	return refused
}
