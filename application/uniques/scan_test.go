package uniques_test

import (
	"context"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// P3: nothing partial is published while a node is away, and all of it after.
func TestAWindowWaitsForANodeThatIsAway(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		i.mustAccept(t, "", ids(0, 30)...)
		until(50 * time.Second)
		i.setAway("n2", true)
		until(minute + 10*time.Second)
		i.mustAccept(t, "", idOn(t, i.cluster, "n1", 0))
		until(2*minute + 30*time.Second)
		o.wantReports(t, "rabbitmq")
		i.setAway("n2", false)
		until(2*minute + 40*time.Second)
		o.wantReports(t, "rabbitmq", 30, 1)
	})
}

// P5: no window is sealed before the slowest clock says that it is over.
func TestAWindowWaitsForTheSlowestClock(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		i.mustAccept(t, "", ids(0, 30)...)
		until(30 * time.Second)
		i.setSkew("n3", -8*time.Second)
		until(minute + 9*time.Second)
		o.wantReports(t, "rabbitmq")
		until(minute + 18*time.Second)
		o.wantReports(t, "rabbitmq", 30)
	})
}

// U14: a window that can't be counted stops no other one.
func TestAWindowThatCanNotBeCountedStopsNoOther(t *testing.T) {
	for _, failure := range []error{counting.Corrupt, counting.ErrRetired} {
		alone(t, func(t *testing.T, o *outside, i *instance) {
			bad := counting.WindowLength(minute).At(began())
			i.links[1].setFail(failing("seal", failure, bad))
			until(minute + 10*time.Second)
			i.mustAccept(t, "", ids(0, 7)...)
			until(2*minute + 10*time.Second)
			reports := o.taken("rabbitmq")
			if len(reports) != 1 || reports[0].Start.Minute() != 1 || reports[0].Count != 7 {
				t.Errorf("the reports are %+v, want that of the second window", reports)
			}
		})
	}
}

func TestAScanThatComesTooEarlyIsNoError(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		i := d.instance(t, "a", o)
		i.mustAccept(t, "", ids(0, 7)...)
		until(minute + time.Second)
		check.OK(t, i.Scan(t.Context()))
		o.wantReports(t, "rabbitmq")
	})
}

func TestScanTellsWhatIsAway(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		i := d.instance(t, "a", o)
		check.OK(t, i.Heartbeat(t.Context()))
		d.setAway("n3", true)
		check.Fails(t, i.Heartbeat(t.Context()), "the heartbeat without n3")
		until(minute + 3*time.Second)
		check.Is(t, i.Scan(t.Context()), counting.ErrNotApplied, "the scan")
		over, cancel := context.WithCancel(t.Context())
		cancel()
		check.Is(t, i.Scan(over), context.Canceled, "a scan that is cancelled")
	})
}

// U14: a window of which a node's part is corrupt, or was forgotten, stops no other, also where
// several instances close them in turn.
func TestAWindowThatCanNotBeCountedStopsNoOtherOfTwoInstances(t *testing.T) {
	for _, failure := range []error{counting.Corrupt, counting.ErrRetired} {
		scenario(t, func(t *testing.T, o *outside, d *deployment) {
			a, b := d.instance(t, "a", o), d.instance(t, "b", o)
			bad := counting.WindowLength(minute).At(began())
			for _, i := range []*instance{a, b} {
				i.links[1].setFail(failing("seal", failure, bad))
			}
			for m := range 10 {
				a.mustAccept(t, "", ids(m*10, 7)...)
				check.Must(t, a.Heartbeat(t.Context()))
				until(time.Duration(m+1) * minute)
			}
			_, _, err := a.cluster.View().Home(bad).Claim(t.Context(), bad, a.Service.Instance, 15*time.Second)
			check.Must(t, err)
			for s := range 24 { // a renews its claim of that window, and b closes the others
				until(10*minute + 5*time.Second + time.Duration(s)*5*time.Second)
				_ = b.Scan(t.Context())
				_ = a.Scan(t.Context())
			}
			if got := o.taken("rabbitmq"); len(got) < 9 {
				t.Errorf("%v: %d windows of 9 that can be counted are published", failure, len(got))
			}
		})
	}
}
