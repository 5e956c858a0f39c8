package integration_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// account is what callers know of one page.
type account struct{ acked, maybe, denied atomic.Int64 }

func (a *account) add(got reply) outcome {
	switch got.outcome {
	case acknowledged:
		a.acked.Add(1)
	case unknown:
		a.maybe.Add(1)
	case refused:
		a.denied.Add(1)
	}
	return got.outcome
}

// accounts are those of some pages; the map doesn't change.
type accounts map[string]*account

func newAccounts(pages ...[]string) accounts {
	all := make(accounts)
	for _, page := range slices.Concat(pages...) {
		all[page] = &account{}
	}
	return all
}

// settle compares every page with what is stored: acknowledged <= stored <=
// acknowledged + unknown.
func (a accounts) resolve(t *testing.T, r *ring, in *instance) {
	t.Helper()
	var acked, maybe, denied int64
	for page, account := range a {
		low, high := account.acked.Load(), account.acked.Load()+account.maybe.Load()
		if stored := r.stored(in, page); stored < low || stored > high {
			t.Errorf("page %s: %d stored, want %d to %d", page, stored, low, high)
		}
		acked, maybe, denied = acked+low, maybe+account.maybe.Load(), denied+account.denied.Load()
	}
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d pages: %d visits acknowledged, %d unknown, %d refused", len(a), acked, maybe, denied)
}

// stored is the number of a page, which must be readable.
func (r *ring) stored(in *instance, page string) int64 {
	r.t.Helper()
	got := r.read(in, page)
	var answer struct {
		Visits int64 `json:"visits"`
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != 200 {
		r.t.Fatalf("GET /visits/%s: %d %s", page, got.status, got.body)
	}
	return answer.Visits
}

// traffic visits pages over and over, and keeps the answers by phase: that in
// which a request was begun.
type traffic struct {
	accounts
	phase atomic.Int64
	stop  func()

	mu      sync.Mutex
	replies [3][]reply
	flying  [3]int
	last    time.Time     // of the answers that acknowledged
	gap     time.Duration // the longest time between two of them
}

// The phases of a test with a fault.
const (
	before = iota
	during
	after
)

// newTraffic begins with callers that each pause between two requests.
func newTraffic(r *ring, in *instance, pages []string) *traffic {
	const callers, pause = 4, 5 * time.Millisecond
	tr := &traffic{accounts: newAccounts(pages)}
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	tr.stop = sync.OnceFunc(func() { close(stopped); wg.Wait() })
	r.t.Cleanup(tr.stop)
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
				got := r.visit(in, page)
				tr.accounts[page].add(got)
				tr.end(phase, got)
			}
		})
	}
	return tr
}

func (tr *traffic) begin() int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	phase := tr.phase.Load()
	tr.flying[phase]++
	return phase
}

func (tr *traffic) end(phase int64, got reply) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.flying[phase]--
	tr.replies[phase] = append(tr.replies[phase], got)
	if got.outcome != acknowledged {
		return
	}
	if !tr.last.IsZero() {
		tr.gap = max(tr.gap, time.Since(tr.last))
	}
	tr.last = time.Now()
}

// enter begins a phase.
func (tr *traffic) enter(phase int64) { tr.phase.Store(phase) }

// await returns when no request of a phase is under way.
func (tr *traffic) await(t *testing.T, phase int64) {
	t.Helper()
	waitFor(t, "requests are answered", 2*patience, func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.flying[phase] == 0
	})
}

// answers is the p99 of the answers of a phase, and how many there are with each status.
func (tr *traffic) answers(phase int) (p99 time.Duration, statuses map[int]int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	statuses = make(map[int]int)
	var took []time.Duration
	for _, got := range tr.replies[phase] {
		statuses[got.status]++
		took = append(took, got.took)
	}
	if len(took) == 0 {
		return 0, statuses
	}
	slices.Sort(took)
	return took[len(took)*99/100], statuses
}
