package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestEveryEndpointIsNotifiedOnceAfterThePublication(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		var notified atomic.Int64
		o.answer = func(_ context.Context, r publishing.Report, _ publishing.Endpoint) (int, error) {
			if len(o.taken("rabbitmq")) == 0 || r.Count != 90 {
				t.Errorf("notified of %+v before it was published", r)
			}
			notified.Add(1)
			return 204, nil
		}
		a, b := d.run(t, "a", o), d.run(t, "b", o)
		for n := range 30 { // each endpoint thrice, on several nodes
			e := publishing.Endpoint(fmt.Sprintf("http://e%d/", n))
			a.mustAccept(t, e, ids(100*n, 2)...)
			b.mustAccept(t, e, ids(100*n+50, 1)...)
		}
		until(minute + 30*time.Second)
		check.Equal(t, notified.Load(), 30, "calls")
		for e, attempts := range o.attempts() {
			if len(attempts) != 1 || attempts[0].Number != 1 || attempts[0].ReportID != "footfall_20000101T000000Z" {
				t.Errorf("the log of %s is %+v", e, attempts)
			}
		}
		o.wantReports(t, "rabbitmq", 90)
	})
}

// N4: a window that can't be finished is one line, and another every ten minutes.
func TestN4AWindowThatCantBeFinishedIsLoggedRarely(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		i.mustAccept(t, "http://e/", 1)
		i.fail(failing("endpoints", counting.ErrInDoubt, counting.WindowLength(minute).At(began())))
		until(minute + 25*time.Minute)
		check.Equal(t, o.log.Lines("finish window failed", "window=footfall_20000101T000000Z"), 3, "lines in 25 minutes")
		check.Equal(t, o.log.Lines("finish window failed"), 3, "lines about all windows")
		i.fail(nil)
		until(minute + 26*time.Minute + 30*time.Second)
		i.wantNothingWaiting(t)
	})
}

// U1: ids that arrive while an endpoint is called are not lost.
func TestASlowEndpointLosesNoIDs(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = func(_ context.Context, r publishing.Report, _ publishing.Endpoint) (int, error) {
			if r.Start.Equal(began()) {
				time.Sleep(minute / 2)
				i.mustAccept(t, "", ids(1000, 50)...)
			}
			return 200, nil
		}
		i.mustAccept(t, "http://slow/", ids(0, 7)...)
		until(minute + 10*time.Second)
		i.mustAccept(t, "", ids(100, 5)...)
		until(2*minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 7, 55)
	})
}

// P7: with 10 s an attempt, an endpoint among a thousand that hang has its turn.
func TestAThousandEndpointsThatHangLeaveEveryOneItsAttempt(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = func(ctx context.Context, _ publishing.Report, _ publishing.Endpoint) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return hang(ctx, publishing.Report{}, "")
		}
		i.acceptEach(t, 1000, "http://e%d/")
		until(2 * minute)
		for e, attempts := range o.attempts() {
			if attempts[0].Number != 1 || !errors.Is(attempts[0].Err, context.DeadlineExceeded) {
				t.Errorf("%s: %+v, want an attempt that was not answered", e, attempts)
			}
		}
		check.Equal(t, len(o.attempts()), 1000, "endpoints that had an attempt")
		if most := o.most[""]; most > 256 {
			t.Errorf("%d attempts at once, want 256 at most", most)
		}
	})
}

// P7: however many endpoints hang at one host, all others have their attempt.
func TestAHostThatHangsLeavesTheOtherHostsTheirAttempts(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = hangsAt("hangs:8080")
		i.acceptEach(t, 600, "http://hangs:8080/%d")
		i.acceptEach(t, 10, "http://good%d/")
		until(2 * minute)
		for n := range 10 {
			if a := o.attempts()[publishing.Endpoint(fmt.Sprintf("http://good%d/", n))]; len(a) != 1 || a[0].Status != 200 {
				t.Errorf("good%d was notified of %+v", n, a)
			}
		}
		check.Equal(t, o.most["hangs:8080"], 2, "attempts at once at one host")
		o.wantReports(t, "rabbitmq", 600)
	})
}

// P7: the endpoints of few windows are called at once, however many wait.
func TestTheEndpointsOfFewWindowsAreCalledAtOnce(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		var mu sync.Mutex
		under, most := make(map[string]bool), 0
		o.answer = func(ctx context.Context, r publishing.Report, _ publishing.Endpoint) (int, error) {
			mu.Lock()
			under[r.ID] = true
			most = max(most, len(under))
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			delete(under, r.ID)
			return 0, ctx.Err()
		}
		for m := range 8 { // instances that live to see no end of a window
			i := d.instance(t, fmt.Sprint("early", m), o)
			i.mustAccept(t, "http://hangs/", counting.ID(m))
			i.crash()
			until(time.Duration(m+1) * minute)
		}
		d.run(t, "late", o)
		until(12 * minute)
		mu.Lock()
		defer mu.Unlock()
		check.Equal(t, most, 4, "windows whose endpoints were called at once")
		check.Equal(t, len(o.attempts()["http://hangs/"]), 24, "attempts for 8 windows")
	})
}

// What is left when the time for a window is over is logged and abandoned.
func TestEndpointsWithoutATurnAreLoggedAsAbandoned(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = accepts(func() { time.Sleep(46 * time.Second) }) // as no notifier should
		i.acceptEach(t, 300, "http://e%d/")
		until(2 * minute)
		abandoned := 0
		for e, attempts := range o.attempts() {
			check.Equal(t, len(attempts), 1, "lines of %s in %+v", e, attempts)
			if errors.Is(attempts[0].Err, publishing.ErrAbandoned) && attempts[0].Number == 0 {
				abandoned++
			}
		}
		if n := len(o.attempts()); n != 300 || abandoned != 300-256 {
			t.Errorf("%d in the log, %d abandoned; want 300 and 44", n, abandoned)
		}
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 300, Delivered: 256, Failed: 44})
	})
}

// The window is done also when its log can't be written.
func TestAJournalThatFailsStopsNoWindow(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.journal = errors.New("disk full")
		i.mustAccept(t, "http://e/", 1)
		until(minute + 10*time.Second)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 1, Delivered: 1})
	})
}
