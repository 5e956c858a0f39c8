package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestAMinutePassesAndItsNumberIsPublished(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		i.mustAccept(t, "", ids(-50, 100)...)
		i.mustAccept(t, "", ids(-20, 100)...)
		until(minute + grace - time.Millisecond)
		o.wantReports(t, "rabbitmq")
		until(minute + grace + 200*time.Millisecond)
		o.wantReports(t, "rabbitmq", 130)
		o.wantReports(t, "log")
		i.wantNothingWaiting(t)
	})
}

// N4: ids that a node refuses because its clock is wrong are refused requests in the log.
func TestN4IDsThatAWrongClockRefusesAreInTheLog(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		d := i.deployment
		for _, n := range d.nodes {
			d.setSkew(n.ID(), time.Hour)
		}
		for id := range 10 {
			check.Is(t, i.Accept(t.Context(), counting.ID(id), ""), counting.ErrUnavailable, "an id")
		}
		check.Must(t, i.stop(t.Context()))
		refused := 0
		for _, line := range regexp.MustCompile(`requests were refused" node=n\d items=(\d+) reason="its clock and this instance's differ by too much"`).FindAllStringSubmatch(o.log.String(), -1) {
			refused += check.Value(strconv.Atoi(line[1]))(t)
		}
		check.Equal(t, refused, 10, "ids in lines about refused requests")
	})
}

// P5: a minute in which an instance lived has a number, also when no id came.
func TestAnEmptyMinutePublishesZero(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		until(minute + 30*time.Second)
		i.mustAccept(t, "", 1)
		until(4*minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 0, 1, 0, 0)
	})
}

// U19: the same ids at two instances at once count once.
func TestTheSameIDsAtTwoInstancesCountOnce(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		var all sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			i := d.run(t, name, o)
			for part := range 10 {
				all.Go(func() { i.mustAccept(t, "", ids(100*part, 100)...) })
			}
		}
		all.Wait()
		until(minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 1000)
	})
}

// U8: instances that start half a window apart share the windows.
func TestInstancesThatStartApartPublishOneReport(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		d.run(t, "a", o).mustAccept(t, "", ids(0, 10)...)
		until(minute / 2)
		d.run(t, "b", o).mustAccept(t, "", ids(5, 10)...)
		until(minute + 30*time.Second)
		d.run(t, "c", o).mustAccept(t, "", ids(0, 3)...)
		until(3*minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 15, 3, 0)
	})
}

// U9, P6: ids that come through the boundary are in one of the two windows.
func TestIDsAtTheBoundaryAreInOneWindow(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		a, b := d.run(t, "a", o), d.run(t, "b", o)
		until(minute - 5*time.Second)
		d.setSkew("n1", -700*time.Millisecond)
		d.setSkew("n3", 900*time.Millisecond)
		for n := range 1000 { // until 5 s after the boundary
			[]*instance{a, b}[n%2].mustAccept(t, "", counting.ID(n))
			time.Sleep(10 * time.Millisecond)
		}
		until(2*minute + 10*time.Second)
		reports := o.taken("rabbitmq")
		if len(reports) != 2 || reports[0].Count+reports[1].Count != 1000 {
			t.Errorf("the reports are %+v, want two of 1000 together", reports)
		}
		if n := reports[0].Count; n < 430 || n > 570 {
			t.Errorf("%d of 1000 are in the first window, though half were sent then", n)
		}
	})
}

func TestAnIDWithAForbiddenEndpointIsNotCounted(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		check.Is(t, i.Accept(t.Context(), 1, "http://forbidden/"), publishing.ErrForbidden, "an id")
		until(minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 0)
	})
}

// U15: endpoints beyond the limit of the window are refused with their ids.
func TestEndpointsBeyondTheLimitAreRefusedWithTheirIDs(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		taken, refused := int64(0), 0
		for n := range 4000 {
			err := i.Accept(t.Context(), counting.ID(n), publishing.Endpoint(fmt.Sprintf("http://e/%d", n)))
			switch {
			case err == nil:
				taken++
			case errors.Is(err, counting.EndpointLimit):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if taken != 3000 || refused != 1000 {
			t.Errorf("%d taken and %d refused, want 1000 on each of three nodes and the rest", taken, refused)
		}
		until(2 * minute)
		o.wantReports(t, "rabbitmq", taken)
		check.Equal(t, int64(len(o.attempts())), taken, "endpoints that were called")
	})
}

// U13: a store that is away is no success, and other nodes' ids go on.
func TestIDsOfANodeThatIsAwayAreRefused(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		i.setAway("n2", true)
		check.Is(t, i.Accept(t.Context(), idOn(t, i.cluster, "n2", 0), ""), counting.ErrUnavailable, "an id")
		i.mustAccept(t, "", idOn(t, i.cluster, "n1", 0), idOn(t, i.cluster, "n3", 0))
		until(30 * time.Second)
		i.setAway("n2", false)
		time.Sleep(10 * time.Second)
		i.mustAccept(t, "", idOn(t, i.cluster, "n2", 0))
		until(minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 3)
	})
}

// A change of the ring gives ids to other nodes from a later window on; no id
// is counted on two nodes, whoever's clock is wrong.
func TestIDsFollowAChangeOfTheRing(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		for _, n := range d.nodes {
			d.setSkew(n.ID(), 3*time.Second)
		}
		a, b := d.run(t, "a", o), d.run(t, "b", o)
		until(20 * time.Second)
		a.mustAccept(t, "", ids(0, 300)...)
		r := check.Value(a.cluster.View().Remove(sharding.Change{ID: "next", From: counting.WindowLength(minute).At(began()) + 1}, "n3"))(t)
		d.open(t, r)
		b.mustAccept(t, "", ids(0, 400)...) // by the old table, under the new epoch
		until(minute - 2*time.Second)       // the nodes are in the next window, the instances aren't
		b.mustAccept(t, "", ids(0, 500)...)
		a.mustAccept(t, "", ids(100, 500)...)
		until(3 * minute)
		o.wantReports(t, "rabbitmq", 400, 600)
	})
}

// Several windows may be lost to the instance, not to the deployment: U17.
func TestAStopInAMinuteLosesNothing(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		first := d.run(t, "first", o)
		until(20 * time.Second)
		first.mustAccept(t, "", ids(0, 7)...)
		check.OK(t, first.stop(t.Context()))
		check.Is(t, first.Accept(t.Context(), 8, ""), counting.ErrUnavailable, "after the stop")
		until(2*minute + 30*time.Second)
		d.run(t, "second", o).mustAccept(t, "", ids(100, 5)...)
		until(2*minute + 40*time.Second)
		o.wantReports(t, "rabbitmq", 7)
		until(4 * minute)
		var got []string
		for _, r := range o.taken("rabbitmq") {
			got = append(got, fmt.Sprint(r.Start.Minute(), ":", r.Count))
		}
		check.Equal(t, fmt.Sprint(got), "[0:7 2:5]", "the reports, as no instance ran in minute 1")
	})
}

func TestAcceptEndsWhenAChangeStalls(t *testing.T) {
	alone(t, func(t *testing.T, _ *outside, i *instance) {
		r := check.Value(i.cluster.View().Reweight(sharding.Change{ID: "next"}, "n1", 2))(t)
		for _, n := range i.nodes {
			check.Value(n.Fence(context.Background(), r))(t)
		}
		begin := time.Now()
		check.Is(t, i.Accept(t.Context(), 1, ""), counting.ErrUnavailable, "an id")
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(2 * time.Second)
	})
}
