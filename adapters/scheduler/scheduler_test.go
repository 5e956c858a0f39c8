package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/scheduler"
	"footfall/domain/counting"
	"footfall/test/check"
)

// calls records when it was called.
type calls struct {
	mu       sync.Mutex
	beats    []time.Time
	scans    []time.Time
	scanning func(context.Context) error
}

func (c *calls) Heartbeat(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats = append(c.beats, time.Now())
	return errors.New("one node is away")
}

func (c *calls) Scan(ctx context.Context) error {
	c.mu.Lock()
	c.scans = append(c.scans, time.Now())
	c.mu.Unlock()
	if c.scanning != nil {
		return c.scanning(ctx)
	}
	return nil
}

func run(t *testing.T, c *calls, length, grace, during time.Duration) {
	t.Helper()
	runWith(t, slog.New(slog.DiscardHandler), c, length, grace, during)
}

func runWith(t *testing.T, log *slog.Logger, c *calls, length, grace, during time.Duration) {
	t.Helper()
	l := check.Value(counting.ParseLength(length))(t)
	s := scheduler.New(c, l, grace, log)
	for range 2 { // a second Start changes nothing
		check.Must(t, s.Start(t.Context()))
	}
	time.Sleep(during)
	for range 2 {
		check.Must(t, s.Stop(t.Context()))
	}
}

func TestEveryWindowIsScannedSoonAfterItsGrace(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 2 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			const grace = 2 * time.Second
			c := &calls{}
			begin := time.Now()
			run(t, c, length, grace, 5*time.Minute)
			for end := begin.Add(length); end.Before(begin.Add(4 * time.Minute)); end = end.Add(length) {
				due := end.Add(grace)
				if !anyIn(c.scans, due, due.Add(200*time.Millisecond)) {
					t.Fatalf("no scan within 200ms of %v, the end and grace of a window of %v", due, length)
				}
			}
		})
	}
}

func TestScansAreNeverMoreThanFiveSecondsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{}
		begin := time.Now()
		run(t, c, time.Minute, 2*time.Second, 3*time.Minute)
		if len(c.scans) == 0 || !c.scans[0].Equal(begin) {
			t.Fatalf("the first scan was not at the start: %v", c.scans)
		}
		for i := 1; i < len(c.scans); i++ {
			if d := c.scans[i].Sub(c.scans[i-1]); d > 5*time.Second {
				t.Fatalf("%v between two scans", d)
			}
		}
	})
}

func TestEveryWindowHasAHeartbeatWhileAScanHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{scanning: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		begin := time.Now()
		run(t, c, 2*time.Second, 2*time.Second, time.Minute)
		for w := begin; w.Before(begin.Add(58 * time.Second)); w = w.Add(2 * time.Second) {
			if !anyIn(c.beats, w, w.Add(2*time.Second-1)) {
				t.Fatalf("the window that starts at %v had no heartbeat", w)
			}
		}
		if len(c.scans) != 1 {
			t.Fatalf("%d scans ran", len(c.scans))
		}
	})
}

func TestStopWithoutStartReturns(t *testing.T) {
	s := scheduler.New(&calls{}, counting.WindowLength(time.Minute), 0, slog.New(slog.DiscardHandler))
	check.Must(t, s.Stop(t.Context()))
}

func TestStopReturnsWhenACallDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &calls{scanning: func(context.Context) error { <-release; return nil }}
		s := scheduler.New(c, counting.WindowLength(time.Minute), 0, slog.New(slog.DiscardHandler))
		check.Must(t, s.Start(t.Context()))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check.Is(t, s.Stop(ctx), context.DeadlineExceeded, "Stop")
		close(release)
	})
}

func anyIn(times []time.Time, from, to time.Time) bool {
	for _, t := range times {
		if !t.Before(from) && !t.After(to) {
			return true
		}
	}
	return false
}

// N4: a node that is away for an hour fails every scan. The log says so once, again every
// ten minutes, and when it is over. Once it says since when windows wait.
func TestN4CallsThatGoOnFailingAreLoggedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log check.Log
		begin := time.Now()
		c := &calls{scanning: func(context.Context) error {
			if time.Since(begin) < time.Hour {
				return errors.New("a window can't be closed")
			}
			return nil
		}}
		runWith(t, slog.New(slog.NewTextHandler(&log, nil)), c, time.Minute, 2*time.Second, 2*time.Hour)
		if len(c.scans) < 1000 {
			t.Errorf("%d scans in two hours", len(c.scans))
		}
		check.Equal(t, log.Lines("window maintenance failed", "step=scan"), 6, "lines about scans that fail")
		check.Equal(t, log.Lines("window maintenance works again", "step=scan", "after=1h0m"), 1, "lines about their end")
		since := begin.UTC().Format(time.RFC3339)
		check.Equal(t, log.Lines("level=ERROR", "windows wait: they can't be closed or published", "since="+since, "a window can't be closed"), 1, "lines about windows that wait")
	})
}

// N4: scans that fail for two windows make no window wait for too long, and then work again.
func TestN4AShortFaultMakesNoWindowWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log check.Log
		begin := time.Now()
		c := &calls{scanning: func(context.Context) error {
			if time.Since(begin) < 2*time.Minute {
				return errors.New("a window can't be closed")
			}
			return nil
		}}
		runWith(t, slog.New(slog.NewTextHandler(&log, nil)), c, time.Minute, 2*time.Second, time.Hour)
		check.Equal(t, log.Lines("window maintenance failed", "step=scan"), 1, "lines about scans that fail")
		check.Equal(t, log.Lines("windows wait"), 0, "lines about windows that wait")
	})
}

// N4: that windows wait is known while the log has said so, with the last error.
func TestN4ASchedulerSaysWhileWindowsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := &calls{scanning: func(context.Context) error {
			if lasts := time.Since(begin); lasts < 10*time.Minute {
				return fmt.Errorf("after %v", lasts.Truncate(time.Minute))
			}
			return nil
		}}
		s := scheduler.New(c, counting.WindowLength(time.Minute), 2*time.Second, slog.New(slog.DiscardHandler))
		check.Must(t, s.Start(t.Context()))
		defer func() { check.Must(t, s.Stop(context.Background())) }()
		for _, at := range []struct {
			after time.Duration
			why   string
		}{{2 * time.Minute, ""}, {3 * time.Minute, "after 2m0s"}, {5 * time.Minute, "after 4m0s"}, {11 * time.Minute, ""}} {
			time.Sleep(time.Until(begin.Add(at.after - time.Second)))
			since, why := s.Waiting()
			if at.why == "" {
				check.Must(t, why)
				continue
			}
			check.Says(t, why, at.why)
			check.Equal(t, since, begin, "since when windows wait")
		}
	})
}
