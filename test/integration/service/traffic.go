package service

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Account is what callers know of one page. Issued is used where reads are
// compared while visits are sent.
type Account struct{ Issued, Acked, Maybe, Denied atomic.Int64 }

// Bounds are the least that a read begun now may show, and the most that one
// ended now may.
func (a *Account) Bounds() (least, most int64) {
	denied := a.Denied.Load() // before Issued, which grows first
	return a.Acked.Load(), a.Issued.Load() - denied
}

// Add adds the outcome of one visit, and returns it.
func (a *Account) Add(got Reply) Outcome {
	switch got.Outcome {
	case Acknowledged:
		a.Acked.Add(1)
	case Unknown:
		a.Maybe.Add(1)
	case Refused:
		a.Denied.Add(1)
	}
	return got.Outcome
}

// Accounts are those of some pages; the map doesn't change.
type Accounts map[string]*Account

// NewAccounts returns an empty account for each page.
func NewAccounts(pages ...[]string) Accounts {
	all := make(Accounts)
	for _, page := range slices.Concat(pages...) {
		all[page] = &Account{}
	}
	return all
}

// Resolve compares every page with what is stored: acknowledged <= stored <=
// acknowledged + unknown.
func (a Accounts) Resolve(t *testing.T, in *Instance) {
	t.Helper()
	var acked, maybe, denied int64
	for page, account := range a {
		low, high := account.Acked.Load(), account.Acked.Load()+account.Maybe.Load()
		if stored := in.Visits(page); stored < low || stored > high {
			t.Errorf("page %s: %d stored, want %d to %d", page, stored, low, high)
		}
		acked, maybe, denied = acked+low, maybe+account.Maybe.Load(), denied+account.Denied.Load()
	}
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d pages: %d visits acknowledged, %d unknown, %d refused", len(a), acked, maybe, denied)
}

// Traffic visits pages over and over, and keeps the answers by phase: that in
// which a request was begun.
type Traffic struct {
	Accounts
	phase atomic.Int64
	Stop  func()

	Mu      sync.Mutex
	replies [3][]Reply
	flying  [3]int
	last    time.Time     // of the answers that acknowledged
	Gap     time.Duration // the longest time between two of them
}

// The phases of a test with a fault.
const (
	before = iota
	During
	After
)

// NewTraffic begins with callers that each pause between two requests.
func NewTraffic(r *Ring, in *Instance, pages []string) *Traffic {
	const callers, pause = 4, 5 * time.Millisecond
	tr := &Traffic{Accounts: NewAccounts(pages)}
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	tr.Stop = sync.OnceFunc(func() { close(stopped); wg.Wait() })
	r.T.Cleanup(tr.Stop)
	for range callers {
		wg.Go(func() {
			for {
				select {
				case <-stopped:
					return
				case <-time.After(pause):
				}
				page := pages[rand.IntN(len(pages))]
				phase := tr.begin()
				got := r.Visit(in, page)
				tr.Accounts[page].Add(got)
				tr.end(phase, got)
			}
		})
	}
	return tr
}

func (tr *Traffic) begin() int64 {
	tr.Mu.Lock()
	defer tr.Mu.Unlock()
	phase := tr.phase.Load()
	tr.flying[phase]++
	return phase
}

func (tr *Traffic) end(phase int64, got Reply) {
	tr.Mu.Lock()
	defer tr.Mu.Unlock()
	tr.flying[phase]--
	tr.replies[phase] = append(tr.replies[phase], got)
	if got.Outcome != Acknowledged {
		return
	}
	if !tr.last.IsZero() {
		tr.Gap = max(tr.Gap, time.Since(tr.last))
	}
	tr.last = time.Now()
}

// Enter begins a phase.
func (tr *Traffic) Enter(phase int64) { tr.phase.Store(phase) }

// Await returns when no request of a phase is under way.
func (tr *Traffic) Await(t *testing.T, phase int64) {
	t.Helper()
	WaitFor(t, "requests are answered", 2*Patience, func() bool {
		tr.Mu.Lock()
		defer tr.Mu.Unlock()
		return tr.flying[phase] == 0
	})
}

// Answers is the p99 of the answers of a phase, and how many there are with each status.
func (tr *Traffic) Answers(phase int) (p99 time.Duration, statuses map[int]int) {
	tr.Mu.Lock()
	defer tr.Mu.Unlock()
	statuses = make(map[int]int)
	var took []time.Duration
	for _, got := range tr.replies[phase] {
		statuses[got.Status]++
		took = append(took, got.Took)
	}
	if len(took) == 0 {
		return 0, statuses
	}
	slices.Sort(took)
	return took[len(took)*99/100], statuses
}
