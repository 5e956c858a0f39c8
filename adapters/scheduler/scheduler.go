// Package scheduler calls the closing of windows by the clock. It stores nothing:
// after a missed tick, the next one finds the windows that wait.
package scheduler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
)

const (
	// scanEvery is the longest time between two scans.
	scanEvery = 5 * time.Second
	// maxJitter spreads the scans of instances after the end of a window.
	maxJitter = 100 * time.Millisecond
	// repeatLine is the time between two log lines about calls that go on failing.
	repeatLine = 10 * time.Minute
)

// Windows is what the scheduler calls. Both methods end when their context does.
type Windows interface {
	// Heartbeat is called at the start and at least twice in every window.
	Heartbeat(ctx context.Context) error
	// Scan is called at the start, every 5 seconds, and soon after the end
	// and the grace of every window.
	Scan(ctx context.Context) error
}

// Scheduler calls Windows from two goroutines, so that a slow scan delays no
// heartbeat. It is safe for concurrent use.
type Scheduler struct {
	windows Windows
	length  counting.WindowLength
	grace   time.Duration
	log     *slog.Logger
	waits   atomic.Pointer[wait]

	mu     sync.Mutex
	cancel context.CancelFunc // nil before Start
	loops  sync.WaitGroup
}

// New returns a scheduler for windows of a length that are closed when grace has
// passed after their end.
func New(w Windows, length counting.WindowLength, grace time.Duration, log *slog.Logger) *Scheduler {
	return &Scheduler{windows: w, length: length, grace: grace, log: log}
}

// Start makes the first calls immediately. A second Start does nothing.
func (s *Scheduler) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	half := min(time.Duration(s.length)/2, scanEvery)
	s.loops.Go(func() {
		s.loop(ctx, s.windows.Heartbeat, func(now time.Time) time.Time { return now.Add(half) }, &course{step: "heartbeat", log: s.log})
	})
	s.loops.Go(func() {
		two := 2 * time.Duration(s.length)
		s.loop(ctx, s.windows.Scan, s.nextScan, &course{step: "scan", log: s.log, patience: two, waits: &s.waits})
	})
	return nil
}

// Waiting is since when windows wait that could not be closed or published for more than
// two windows, and why at the last try. The error is nil if none wait for so long.
func (s *Scheduler) Waiting() (since time.Time, why error) {
	if w := s.waits.Load(); w != nil {
		return w.since, w.why
	}
	return time.Time{}, nil
}

// Stop cancels the calls in progress and waits for them. It returns ctx's error if
// ctx ends first. It may be called twice, and without Start.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	ended := make(chan struct{})
	go func() {
		s.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Scheduler) loop(ctx context.Context, call func(context.Context) error, next func(now time.Time) time.Time, how *course) {
	for {
		if err := call(ctx); ctx.Err() == nil {
			how.went(err)
		}
		select {
		case <-time.After(time.Until(next(time.Now()))):
		case <-ctx.Done():
			return
		}
	}
}

// course is how the calls of a step go. It logs when they begin to fail, again while they
// do, and when they work again. It is for one goroutine.
type course struct {
	step string
	log  *slog.Logger
	// patience is how long they may fail until windows wait for too long; 0 if none wait.
	patience time.Duration
	// waits has nil unless they fail for longer, which is logged then.
	waits *atomic.Pointer[wait]

	failing, logged time.Time // since when they fail, and when that was logged
}

// wait is since when windows wait, and why at the last try.
type wait struct {
	since time.Time
	why   error
}

// went notes how a call has ended.
func (c *course) went(err error) {
	if err == nil {
		if !c.failing.IsZero() {
			c.log.Info("window maintenance works again", "step", c.step, "after", time.Since(c.failing).Round(time.Millisecond).String())
		}
		c.failing, c.logged = time.Time{}, time.Time{}
		if c.patience > 0 {
			c.waits.Store(nil)
		}
		return
	}
	if c.failing.IsZero() {
		c.failing = time.Now()
	}
	if c.logged.IsZero() || time.Since(c.logged) >= repeatLine {
		c.logged = time.Now()
		c.log.Warn("window maintenance failed", "step", c.step, "error", err)
	}
	if c.patience == 0 || time.Since(c.failing) <= c.patience {
		return
	}
	if c.waits.Swap(&wait{c.failing, err}) == nil {
		c.log.Error("windows wait: they can't be closed or published", "since", c.failing.UTC().Format(time.RFC3339), "error", err)
	}
}

// nextScan returns a time soon after the next end of a window's grace, or
// scanEvery from now if that is sooner.
func (s *Scheduler) nextScan(now time.Time) time.Time {
	due := s.length.End(s.length.At(now.Add(-s.grace))).Add(s.grace + rand.N(maxJitter))
	if latest := now.Add(scanEvery); latest.Before(due) {
		return latest
	}
	return due
}
