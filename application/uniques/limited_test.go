package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// S9, P7: endpoints beyond what their address may have are abandoned, with that reason in
// the log, the window and the metric. The others have their attempt, and the window is done.
func TestS9EndpointsBeyondTheLimitOfTheirAddressSaySo(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		admitted := 0
		o.skip = func(e publishing.Endpoint) (publishing.Attempt, bool) {
			skipped := publishing.Attempt{Outcome: publishing.Deferred, Address: "192.0.2.1/32", Until: time.Now().Add(time.Hour), Err: publishing.ErrLimited}
			if strings.HasPrefix(e.Host(), "good") {
				return skipped, false
			}
			admitted++
			return skipped, admitted > 60
		}
		i.acceptEach(t, 500, "http://same%d/")
		i.acceptEach(t, 10, "http://good%d/")
		until(minute + 10*time.Second)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 510, Delivered: 70, Failed: 440})
		check.Equal(t, fmt.Sprint(o.observed), fmt.Sprint(map[publishing.Outcome]int{"delivered": 70, "limited": 440}), "outcomes")
		_, deliveries := i.firstOf(t)
		limited := 0
		for e, d := range deliveries {
			if d == (counting.Delivery{Final: true, Reason: "limited"}) {
				limited++
				a := o.attempts()[publishing.Endpoint(e)]
				if len(a) != 1 || a[0].Number != 0 || !errors.Is(a[0].Err, publishing.ErrLimited) {
					t.Errorf("the log of %s is %+v", e, a)
				}
			}
		}
		check.Equal(t, limited, 440, "endpoints with that reason")
		check.Equal(t, o.log.Lines("callbacks were left out", "endpoints=440"), 1, "lines of the service's log")
		check.Equal(t, o.ended, 1, "ends of the journal's lines")
	})
}

// S9: an endpoint that is paused is not waited for, and its window says so.
func TestS9APausedEndpointIsNotCalled(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = func(context.Context, publishing.Report, publishing.Endpoint) (int, error) { return 500, nil }
		calls := 0
		o.skip = func(publishing.Endpoint) (publishing.Attempt, bool) {
			calls++
			return publishing.Attempt{Outcome: publishing.Paused, Until: time.Now().Add(time.Hour), Err: publishing.ErrPaused}, calls > 1
		}
		i.mustAccept(t, "http://e/", 1)
		until(minute + 20*time.Second)
		i.wantDone(t, counting.DeliveryTotals{Endpoints: 1, Failed: 1})
		_, deliveries := i.firstOf(t)
		check.Equal(t, deliveries["http://e/"], counting.Delivery{Attempts: 1, Status: 500, Final: true, Reason: "paused"}, "the delivery")
		check.Equal(t, fmt.Sprint(o.observed), fmt.Sprint(map[publishing.Outcome]int{"failed": 1, "paused": 1}), "outcomes")
	})
}
