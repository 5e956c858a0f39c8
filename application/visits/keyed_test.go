package visits_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// S4: a request beyond the limit of keys is refused with the time until keys are free, and
// its items with it. That is the end of the day after the oldest keys.
func TestS4TheRefusalOfAKeySaysWhenItIsFree(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		last := 0
		once := func() error { // with another key of the first node
			for {
				last++
				k := check.Value(counting.ParseKey(fmt.Sprint(last)))(t)
				if v := c.View(); v.Owner(v.Arc(counting.Page(k[:]))) == 0 {
					_, err := s.RecordOnce(t.Context(), counting.RequestKey{Key: k}, []counting.Visit{{Page: "home", Count: 1}, {Page: "about", Count: 1}})
					return err
				}
			}
		}
		wantWait := func(want time.Duration) {
			t.Helper()
			var full *counting.KeyLimitError
			if err := once(); !errors.As(err, &full) || full.After.Round(time.Hour) != want {
				t.Errorf("%v %+v, want one that says %v", err, full, want)
			}
		}
		time.Sleep(time.Hour) // since midnight
		check.Must(t, once(), "the first request")
		wantWait(47 * time.Hour)
		// No instance asks the nodes for changes meanwhile, which takes long to compute.
		pass := func(length time.Duration) {
			check.Must(t, c.Stop(t.Context()))
			time.Sleep(length)
			s, c = d.instance(t)
			time.Sleep(10 * time.Second) // by then it knows of the keys
		}
		pass(24 * time.Hour)
		wantWait(23 * time.Hour)
		pass(23 * time.Hour)
		check.Must(t, once(), "a request when the keys are free")
		wantWait(48 * time.Hour)
		wantVisits(t, s, "home", 2)
	})
}
