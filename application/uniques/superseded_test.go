package uniques_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// A crash in the callbacks repeats only those that have no result.
func TestACrashInTheCallbacksRepeatsWhatHasNoResult(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		crash := make(chan struct{})
		var mu sync.Mutex
		notified := make(map[publishing.Endpoint]int)
		o.answer = func(ctx context.Context, _ publishing.Report, e publishing.Endpoint) (int, error) {
			mu.Lock()
			notified[e]++
			first := notified[e] == 1
			mu.Unlock()
			if e == "http://cut/" && first {
				select {
				case <-crash:
				case <-ctx.Done():
				}
				return 0, ctx.Err()
			}
			return 200, nil
		}
		a := d.run(t, "a", o)
		for n, e := range []publishing.Endpoint{"http://a/", "http://b/", "http://cut/"} {
			a.mustAccept(t, e, counting.ID(n))
		}
		until(minute + 10*time.Second)
		a.crash()
		close(crash)
		b := d.run(t, "b", o)
		until(2*minute - 10*time.Second)
		mu.Lock()
		defer mu.Unlock()
		check.Equal(t, fmt.Sprint(notified), "map[http://a/:1 http://b/:1 http://cut/:2]", "notifications")
		b.wantDone(t, counting.DeliveryTotals{Endpoints: 3, Delivered: 3})
	})
}

// A clean stop ends the calls that are under way; they are repeated.
func TestStopInTheCallbacksEndsThemSoon(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.answer = hang
		a := d.run(t, "a", o)
		a.mustAccept(t, "http://hangs/", 1)
		until(minute + 10*time.Second)
		begin := time.Now()
		for range 2 {
			check.OK(t, a.stop(t.Context()))
		}
		check.Equal(t, time.Since(begin), 0, "what the stop took")
		check.Equal(t, len(o.attempts()), 0, "attempts in the log, though all were cut off")
		o.answer = nil
		d.run(t, "b", o)
		until(minute + 50*time.Second)
		attempts := o.attempts()["http://hangs/"]
		if len(attempts) != 1 || attempts[0].Number != 1 || attempts[0].Status != 200 {
			t.Errorf("the log has %+v, want one attempt by the next instance", attempts)
		}
		o.wantReports(t, "rabbitmq", 1)
	})
}

// What is closed after the stop is called by another instance.
func TestNoCallsBeginAfterTheStop(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		a := d.instance(t, "a", o)
		a.mustAccept(t, "http://e/", 1)
		until(minute + 3*time.Second)
		check.OK(t, a.Stop(t.Context()))
		o.answer = accepts(func() { t.Error("a call after the stop") })
		check.OK(t, a.Scan(t.Context()))
		synctest.Wait()
		o.answer = nil
		d.run(t, "b", o)
		until(minute + 30*time.Second)
		check.Equal(t, len(o.attempts()["http://e/"]), 1, "attempts, all by the next instance")
	})
}

// A closer that is still at work keeps its window, however long it takes.
func TestALeaseIsRenewedWhileEndpointsAreCalled(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		var calls atomic.Int64
		o.answer = accepts(func() {
			calls.Add(1)
			time.Sleep(40 * time.Second)
		})
		d.run(t, "a", o).mustAccept(t, "http://e/", 1)
		d.run(t, "b", o)
		until(2 * minute)
		check.Equal(t, calls.Load(), 1, "notifications of the endpoint")
	})
}

// A service that was never used stops; one whose calls don't end stops with
// its context.
func TestStopWithoutCallsAndWithACallThatDoesNotEnd(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		check.OK(t, d.instance(t, "unused", o).Stop(t.Context()))
		stuck := make(chan struct{})
		o.answer = accepts(func() { <-stuck })
		a := d.run(t, "a", o)
		a.mustAccept(t, "http://stuck/", 1)
		until(minute + 10*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check.Is(t, a.Stop(ctx), context.DeadlineExceeded, "stop")
		close(stuck)
		if err := a.Stop(t.Context()); err != nil {
			t.Errorf("the second stop says %v", err)
		}
	})
}

// A closer that froze in the callbacks was superseded: it finishes nothing, and
// what it does late is one more notification at most.
func TestACloserThatWasSupersededInTheCallbacksLeavesTheWindowAlone(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		frozen := make(chan struct{})
		var calls atomic.Int64
		o.answer = accepts(func() {
			if calls.Add(1) == 1 {
				<-frozen
			}
		})
		a := d.run(t, "a", o)
		a.mustAccept(t, "http://e/", 1)
		until(minute + 3*time.Second)
		a.fail(func(string, counting.Window) error {
			<-frozen
			return nil
		})
		b := d.run(t, "b", o)
		until(minute + 40*time.Second)
		b.wantDone(t, counting.DeliveryTotals{Endpoints: 1, Delivered: 1})
		close(frozen)
		until(2 * minute)
		check.Equal(t, calls.Load(), 2, "notifications of the endpoint")
	})
}

// A result that could not be saved is made again; the others are not.
func TestAResultThatIsNotSavedIsMadeAgain(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		var failed atomic.Bool
		i.fail(func(call string, _ counting.Window) error {
			if call == "call" && failed.CompareAndSwap(false, true) {
				return errUnknown
			}
			return nil
		})
		i.mustAccept(t, "http://a/", 1)
		i.mustAccept(t, "http://b/", 2)
		until(minute + 20*time.Second)
		all := o.attempts()
		check.Equal(t, len(all["http://a/"])+len(all["http://b/"]), 3, "attempts in %+v", all)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 2, Delivered: 2})
	})
}

// Calls end when another instance has the window.
func TestALostLeaseEndsTheCalls(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		var ended atomic.Int64 // after how long, in ns
		o.answer = func(ctx context.Context, _ publishing.Report, _ publishing.Endpoint) (int, error) {
			began := time.Now()
			<-ctx.Done()
			ended.CompareAndSwap(0, int64(time.Since(began)))
			return 0, ctx.Err()
		}
		i.fail(failing("renew", counting.ErrStaleToken))
		i.mustAccept(t, "http://hangs/", 1)
		until(2 * minute)
		if d := time.Duration(ended.Load()); d == 0 || d > 6*time.Second {
			t.Errorf("the call ended after %v, want the first renewal, 5s", d)
		}
	})
}
