package publishing_test

import (
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestOnlyAFailedAttemptIsRetried(t *testing.T) {
	begin := time.Now()
	s := publishing.NewSchedule(counting.WindowLength(time.Minute), begin)
	for outcome, want := range map[publishing.Outcome]bool{
		publishing.Delivered: false, publishing.Refused: false, publishing.Failed: true, publishing.Abandoned: false,
	} {
		if _, again := s.Again(publishing.Attempt{Number: 1, Outcome: outcome}, begin, begin, 0); again != want {
			t.Errorf("%s: retried: %v", outcome, again)
		}
	}
}

// Attempts begin immediately, after 10 s and after 30 s, with a tenth of the wait
// as jitter, and in short windows in proportion.
func TestWhenAnEndpointIsTriedAgain(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		length     time.Duration
		number     int
		took       time.Duration
		retryAfter time.Duration
		jitter     float64
		want       time.Duration // after the attempt began; 0 is never
	}{
		{time.Minute, 1, 0, 0, 0, 10 * time.Second},
		{time.Minute, 1, 10 * time.Second, 0, 0, 10 * time.Second},
		{time.Minute, 1, 0, 0, 1, 11 * time.Second},
		{time.Minute, 2, 0, 0, 0, 20 * time.Second},
		{time.Minute, 2, 0, 0, 0.5, 21 * time.Second},
		{time.Minute, 3, 0, 0, 0, 0},
		{time.Minute, 1, 0, time.Second, 0, 10 * time.Second}, // it asks for less than it gets
		{time.Minute, 1, 2 * time.Second, 20 * time.Second, 0, 22 * time.Second},
		{time.Minute, 1, 2 * time.Second, 20 * time.Second, 1, 23 * time.Second},
		{time.Minute, 1, 0, 44 * time.Second, 0, 44 * time.Second},
		{time.Minute, 1, 0, 45 * time.Second, 0, 0}, // beyond the budget
		{time.Minute, 1, 0, 24 * time.Hour, 0, 0},
		{time.Hour, 1, 0, 0, 0, 10 * time.Second}, // the budget of a minute
		{2 * time.Second, 1, 0, 0, 0, 333333333},
		{2 * time.Second, 2, 0, 0, 0, 666666666},
		{2 * time.Second, 1, 100 * ms, time.Second, 0, 1100 * ms},
		{2 * time.Second, 1, 100 * ms, 2 * time.Second, 0, 0},
		{2 * time.Second, 1, 1400 * ms, 0, 0, 1400 * ms}, // at once, for that wait is over
		{2 * time.Second, 1, 1500 * ms, 0, 0, 0},         // as is the time
	} {
		began := time.Unix(1000, 0)
		s := publishing.NewSchedule(counting.WindowLength(c.length), began)
		a := publishing.Attempt{Number: c.number, Outcome: publishing.Failed, RetryAfter: c.retryAfter}
		due, again := s.Again(a, began, began.Add(c.took), c.jitter)
		if again != (c.want > 0) || again && due.Sub(began) != c.want {
			t.Errorf("%+v: again %v after %v", c, again, due.Sub(began))
		}
	}
}

func TestTheBudgetIsThreeQuartersOfAWindow(t *testing.T) {
	begin := time.Unix(1000, 0)
	for length, want := range map[time.Duration]time.Duration{
		time.Second: 750 * time.Millisecond, 2 * time.Second: 1500 * time.Millisecond,
		time.Minute: 45 * time.Second, 61 * time.Second: 45 * time.Second, 24 * time.Hour: 45 * time.Second,
	} {
		check.Equal(t, publishing.NewSchedule(counting.WindowLength(length), begin).End().Sub(begin), want, "%v", length)
	}
}
