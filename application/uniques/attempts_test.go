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

// U16: a callback isn't lost because its first try fails.
func TestAnEndpointThatFailsOnceIsNotifiedInTheEnd(t *testing.T) {
	for _, c := range []struct {
		name     string
		statuses []int
		lines    string
		call     counting.Delivery
		observed map[publishing.Outcome]int
	}{
		{"no answer, then taken", []int{0, 200}, "[1:0 2:200]", counting.Delivery{Attempts: 2, Status: 200, Final: true}, map[publishing.Outcome]int{"failed": 1, "delivered": 1}},
		{"taken at the third", []int{500, 302, 204}, "[1:500 2:302 3:204]", counting.Delivery{Attempts: 3, Status: 204, Final: true}, map[publishing.Outcome]int{"failed": 2, "delivered": 1}},
		{"never taken", []int{503}, "[1:503 2:503 3:503]", counting.Delivery{Attempts: 3, Status: 503, Final: true}, map[publishing.Outcome]int{"failed": 3}},
		{"gone", []int{410}, "[1:410]", counting.Delivery{Attempts: 1, Status: 410, Final: true}, map[publishing.Outcome]int{"refused": 1}},
		{"gone later", []int{404, 410}, "[1:404 2:410]", counting.Delivery{Attempts: 2, Status: 410, Final: true}, map[publishing.Outcome]int{"failed": 1, "refused": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scenario(t, func(t *testing.T, o *outside, d *deployment) {
				at := o.inTurn(c.statuses...)
				i := d.run(t, "a", o)
				i.mustAccept(t, "http://e/", 1)
				until(2 * minute)
				check.Equal(t, o.lines("http://e/"), c.lines, "the log")
				if _, calls := i.firstOf(t); calls["http://e/"] != c.call {
					t.Errorf("known is %+v, want %+v", calls["http://e/"], c.call)
				}
				check.Equal(t, fmt.Sprint(o.observed), fmt.Sprint(c.observed), "observed outcomes")
				for n, begin := range at() { // 10 s and 30 s after the first, and a tenth of jitter
					after := begin - at()[0]
					least := []time.Duration{0, 10 * time.Second, 30 * time.Second}[n]
					if after < least || after > least+least/10 {
						t.Errorf("attempt %d came after %v", n+1, after)
					}
				}
			})
		})
	}
}

// Retries of many endpoints don't come at one moment.
func TestRetriesAreSpread(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		at := o.inTurn(slices.Concat(slices.Repeat([]int{404}, 50), []int{200})...)
		i := d.run(t, "a", o)
		for n := range 50 {
			i.mustAccept(t, publishing.Endpoint(fmt.Sprintf("http://e%d/", n)), counting.ID(n))
		}
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

// An endpoint that asks for time gets it, within the budget.
func TestRetryAfterIsHonoured(t *testing.T) {
	for _, c := range []struct {
		retryAfter, second time.Duration
		lines              string
		observed           map[publishing.Outcome]int
	}{
		{time.Second, 10 * time.Second, "[1:429 2:200]", map[publishing.Outcome]int{"failed": 1, "delivered": 1}},
		{20 * time.Second, 20 * time.Second, "[1:429 2:200]", map[publishing.Outcome]int{"failed": 1, "delivered": 1}},
		{time.Hour, 0, "[1:429 abandoned after 1]", map[publishing.Outcome]int{"failed": 1, "abandoned": 1}},
	} {
		t.Run(c.retryAfter.String(), func(t *testing.T) {
			scenario(t, func(t *testing.T, o *outside, d *deployment) {
				o.retryAfter = c.retryAfter
				at := o.inTurn(429, 200)
				i := d.run(t, "a", o)
				i.mustAccept(t, "http://e/", 1)
				until(2 * minute)
				check.Equal(t, o.lines("http://e/"), c.lines, "the log")
				if all := at(); len(all) > 1 {
					if wait := all[1] - all[0]; wait < c.second || wait > c.second+time.Second {
						t.Errorf("the second attempt came after %v, want %v", wait, c.second)
					}
				}
				check.Equal(t, fmt.Sprint(o.observed), fmt.Sprint(c.observed), "observed outcomes")
				if summary, calls := i.firstOf(t); summary.State != counting.Done || !calls["http://e/"].Final {
					t.Errorf("the window is %+v with %+v", summary, calls)
				}
			})
		})
	}
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
		o.answer = func(ctx context.Context, _ publishing.Report, e publishing.Endpoint) (int, error) {
			if e.Host()[:4] == "hang" {
				return hang(ctx, publishing.Report{}, "")
			}
			return 200, nil
		}
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
		if late > 0 {
			t.Errorf("%d reports were late", late)
		}
	})
}
