// Package scheduler calls the closing of windows by the clock. It stores nothing:
// after a missed tick, the next one finds the windows that wait.
package scheduler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
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
		s.loop(ctx, "heartbeat", s.windows.Heartbeat, func(now time.Time) time.Time { return now.Add(half) })
	})
	s.loops.Go(func() { s.loop(ctx, "scan", s.windows.Scan, s.nextScan) })
	return nil
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

func (s *Scheduler) loop(ctx context.Context, name string, call func(context.Context) error, next func(now time.Time) time.Time) {
	var failing, logged time.Time // since when the calls fail, and when that was logged
	for {
		switch err := call(ctx); {
		case ctx.Err() != nil:
		case err == nil && !failing.IsZero():
			s.log.Info("window maintenance works again", "step", name, "after", time.Since(failing).Round(time.Millisecond).String())
			failing, logged = time.Time{}, time.Time{}
		case err != nil:
			if failing.IsZero() {
				failing = time.Now()
			}
			if logged.IsZero() || time.Since(logged) >= repeatLine {
				logged = time.Now()
				s.log.Warn("window maintenance failed", "step", name, "error", err)
			}
		}
		select {
		case <-time.After(time.Until(next(time.Now()))):
		case <-ctx.Done():
			return
		}
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
