package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// lines are the lines of the log about an endpoint: number, status, and
// whether it is one of an endpoint that was abandoned.
func (o *outside) lines(e publishing.Endpoint) string {
	var all []string
	for _, a := range o.attempts()[e] {
		text := fmt.Sprint(a.Number, ":", a.Status)
		if errors.Is(a.Err, publishing.ErrAbandoned) {
			text = fmt.Sprint("abandoned after ", a.Number)
		}
		all = append(all, text)
	}
	return fmt.Sprint(all)
}

// firstOf is the first window of the test and what is known of its endpoints.
func (i *instance) firstOf(t *testing.T) (publishing.Summary, map[string]counting.Delivery) {
	t.Helper()
	summary, calls, err := i.Deliveries(t.Context(), "footfall_20000101T000000Z")
	check.Must(t, err)
	return summary, calls
}

// wantDone fails the test unless the first window is done, with these deliveries.
func (i *instance) wantDone(t *testing.T, want counting.DeliveryTotals) {
	t.Helper()
	summary, _ := i.firstOf(t)
	check.Equal(t, summary.State, counting.Done, "the state of the first window")
	check.Equal(t, summary.Deliveries, want, "the deliveries of the first window")
}

// inTurn answers the attempts at an endpoint one after the other, the last one
// permanently, and tells when they were made.
func (o *outside) inTurn(statuses ...int) func() []time.Duration {
	var mu sync.Mutex
	var at []time.Duration
	o.answer = func(context.Context, publishing.Report, publishing.Endpoint) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Since(began()))
		status := statuses[min(len(at), len(statuses))-1]
		if status == 0 {
			return 0, errDead
		}
		return status, nil
	}
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(at)
	}
}

// F22, P7: attempts that do not leave this machine are no attempts. They are repeated within
// seconds, and all of them together are one line of the log a minute.
func TestF22AttemptsThatDoNotLeaveTheMachineAreNone(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		var mu sync.Mutex
		unsent := 0
		o.answer = func(_ context.Context, _ publishing.Report, e publishing.Endpoint) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if unsent < 30 && e != "http://other.example/" {
				unsent++
				return 0, errUnsent
			}
			return 200, nil
		}
		i.mustAccept(t, "http://other.example/", 1)
		i.mustAccept(t, "http://e.example/", 2)
		i.mustAccept(t, "http://f.example/", 3)
		until(minute + 40*time.Second)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 3, Delivered: 3})
		check.Equal(t, unsent, 30, "attempts that were not sent")
		check.Equal(t, o.lines("http://e.example/"), "[1:200]", "lines about one endpoint")
		check.Equal(t, o.log.Lines("callbacks can't be sent"), 1, "lines of the service's log")
	})
}

// U16: a callback isn't lost because its first try fails. Attempts come 10 s and 30 s
// after the first one; an endpoint that asks for time gets it, within the budget.
func TestAnEndpointThatFailsOnceIsNotifiedInTheEnd(t *testing.T) {
	type outcomes = map[publishing.Outcome]int
	final := func(attempts, status int) counting.Delivery {
		return counting.Delivery{Attempts: attempts, Status: status, Final: true}
	}
	for _, c := range []struct {
		name       string
		retryAfter time.Duration
		statuses   []int
		lines      string
		call       counting.Delivery
		observed   outcomes
		second     time.Duration // after the first attempt
	}{
		{"no answer, then taken", 0, []int{0, 200}, "[1:0 2:200]", final(2, 200), outcomes{"failed": 1, "delivered": 1}, 10 * time.Second},
		{"taken at the third", 0, []int{500, 302, 204}, "[1:500 2:302 3:204]", final(3, 204), outcomes{"failed": 2, "delivered": 1}, 10 * time.Second},
		{"never taken", 0, []int{503}, "[1:503 2:503 3:503]", final(3, 503), outcomes{"failed": 3}, 10 * time.Second},
		{"gone", 0, []int{410}, "[1:410]", final(1, 410), outcomes{"refused": 1}, 0},
		{"gone later", 0, []int{404, 410}, "[1:404 2:410]", final(2, 410), outcomes{"failed": 1, "refused": 1}, 10 * time.Second},
		{"asks for a second", time.Second, []int{429, 200}, "[1:429 2:200]", final(2, 200), outcomes{"failed": 1, "delivered": 1}, 10 * time.Second},
		{"asks for 20 s", 20 * time.Second, []int{429, 200}, "[1:429 2:200]", final(2, 200), outcomes{"failed": 1, "delivered": 1}, 20 * time.Second},
		{"asks for an hour", time.Hour, []int{429, 200}, "[1:429 abandoned after 1]", counting.Delivery{Attempts: 1, Status: 429, Final: true, Reason: "abandoned"}, outcomes{"failed": 1, "abandoned": 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			alone(t, func(t *testing.T, o *outside, i *instance) {
				o.retryAfter = c.retryAfter
				at := o.inTurn(c.statuses...)
				i.mustAccept(t, "http://e/", 1)
				until(2 * minute)
				check.Equal(t, o.lines("http://e/"), c.lines, "the log")
				summary, calls := i.firstOf(t)
				check.Equal(t, summary.State, counting.Done, "the state of the window")
				check.Equal(t, calls["http://e/"], c.call, "the delivery")
				check.Equal(t, fmt.Sprint(o.observed), fmt.Sprint(c.observed), "observed outcomes")
				for n, begin := range at() {
					after := begin - at()[0]
					least := []time.Duration{0, c.second, 30 * time.Second}[n]
					jitter := []time.Duration{0, time.Second, 3 * time.Second}[n]
					if after < least || after > least+jitter {
						t.Errorf("attempt %d came after %v, want %v", n+1, after, least)
					}
				}
			})
		})
	}
}

// Retries of many endpoints don't come at one moment.
func TestRetriesAreSpread(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		at := o.inTurn(slices.Concat(slices.Repeat([]int{404}, 50), []int{200})...)
		i.acceptEach(t, 50, "http://e%d/")
		until(2 * minute)
		moments := make(map[time.Duration]bool)
		for _, begin := range at()[50:] {
			moments[begin] = true
		}
		if n := len(at()); n != 100 || len(moments) < 25 {
			t.Errorf("%d attempts, the second ones at %d moments", n, len(moments))
		}
	})
}

// U7: after a crash between two attempts another instance goes on with the
// next number; nothing is repeated.
func TestAnotherInstanceGoesOnWithTheNextAttempt(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.inTurn(500, 500, 200)
		a := d.run(t, "a", o)
		a.mustAccept(t, "http://e/", 1)
		until(minute + 5*time.Second)
		a.crash()
		b := d.run(t, "b", o)
		until(2*minute - time.Second)
		check.Equal(t, o.lines("http://e/"), "[1:500 2:500 3:200]", "the log")
		b.wantDone(t, counting.DeliveryTotals{Endpoints: 1, Delivered: 1})
	})
}

// A retry that is waited for keeps the service from stopping no longer than
// an attempt, and is made by the next instance.
func TestStopBetweenTwoAttempts(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.inTurn(500, 200)
		a := d.run(t, "a", o)
		a.mustAccept(t, "http://e/", 1)
		until(minute + 5*time.Second)
		begin := time.Now()
		if err := a.stop(t.Context()); err != nil || time.Since(begin) != 0 {
			t.Errorf("the stop took %v: %v", time.Since(begin), err)
		}
		d.run(t, "b", o)
		until(2*minute - time.Second)
		check.Equal(t, o.lines("http://e/"), "[1:500 2:200]", "the log")
	})
}

// P7, U2: of 400 endpoints 200 hang, half of those at one host; every other
// one is notified immediately, and every window is published in time.
func TestHangingEndpointsDelayNeitherOthersNorTheNextClose(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		hangs := func(n int) publishing.Endpoint {
			if n < 100 {
				return publishing.Endpoint(fmt.Sprintf("http://hangs/%d", n))
			}
			return publishing.Endpoint(fmt.Sprintf("http://hangs%d/", n))
		}
		good := func(n int) publishing.Endpoint { return publishing.Endpoint(fmt.Sprintf("http://good%d/", n)) }
		o.answer = hangsAt("hangs")
		late := 0
		o.publish = func(_ context.Context, _ string, r publishing.Report) error {
			if time.Since(r.End) > grace+time.Second {
				late++
			}
			return nil
		}
		for m := range 3 {
			for n := range 200 {
				i.mustAccept(t, hangs(n), counting.ID(2*n))
				i.mustAccept(t, good(n), counting.ID(2*n+1))
			}
			until(time.Duration(m+1)*minute + 5*time.Second)
			for n := range 200 {
				if a := o.attempts()[good(n)]; len(a) != m+1 || a[m].Status != 200 {
					t.Fatalf("after %d windows the log of %s is %+v", m+1, good(n), a)
				}
			}
		}
		until(4*minute - time.Second)
		for n := range 200 {
			if a := o.attempts()[hangs(n)]; len(a) < 3 || a[0].Number != 1 {
				t.Errorf("the log of %s is %+v, want a first attempt for every window", hangs(n), a)
			}
		}
		o.wantReports(t, "rabbitmq", 400, 400, 400)
		windows := check.Value(i.Windows(t.Context(), 4))(t)
		for _, w := range windows[1:] {
			check.Equal(t, w.State, counting.Done, "the state of %s", w.ID)
			check.Equal(t, w.Deliveries, counting.DeliveryTotals{Endpoints: 400, Delivered: 200, Failed: 200}, "the deliveries of %s", w.ID)
		}
		if late > 0 {
			t.Errorf("%d reports were late", late)
		}
	})
}
