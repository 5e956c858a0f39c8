package uniques_test

import (
	"testing"
	"testing/synctest"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// P5: an instance that has slept through a change of the ring publishes no
// number by the old one, which lacks the ids of the new node, and doesn't end a
// window whose endpoints it can't know.
func TestAnInstanceThatMissedAChangeClosesNothingByTheOldRing(t *testing.T) {
	const named = publishing.Endpoint("http://named/")
	deaf := failing("ringsummary", errDead)
	// begin adds a node, which has a part of the third window; behind doesn't
	// know.
	begin := func(t *testing.T, o *outside, d *deployment) (behind, ahead *instance) {
		behind = d.instance(t, "behind", o)
		behind.fail(deaf)
		d.addNode()
		change := sharding.Change{ID: "next", From: counting.WindowLength(minute).At(began()) + 2}
		r := check.Value(behind.cluster.View().Add(change, sharding.Member{ID: "n4", Addr: "n4:6379", Weight: 1}))(t)
		d.open(t, r)
		until(2*minute + minute/2)
		ahead = d.instance(t, "ahead", o)
		ahead.mustAccept(t, "", ids(0, 300)...)
		ahead.mustAccept(t, named, idOn(t, ahead.cluster, "n4", 300))
		until(3*minute + 2*grace)
		return behind, ahead
	}
	// scan lets the one that is behind wake up; it has not yet looked for a
	// newer ring.
	scan := func(t *testing.T, i *instance) error {
		i.fail(nil)
		defer i.fail(deaf)
		return i.Scan(t.Context())
	}
	t.Run("to publish", func(t *testing.T) {
		scenario(t, func(t *testing.T, o *outside, d *deployment) {
			behind, ahead := begin(t, o, d)
			check.Fails(t, scan(t, behind), "the scan by the old ring")
			until(4*minute - 2*grace) // the lease is over
			check.OK(t, ahead.Scan(t.Context()))
			if all := o.taken("rabbitmq"); len(all) != 1 || all[0].Count != 301 {
				t.Errorf("301 ids became %+v", all)
			}
		})
	})
	t.Run("to call", func(t *testing.T) {
		scenario(t, func(t *testing.T, o *outside, d *deployment) {
			behind, ahead := begin(t, o, d)
			ahead.fail(failing("endpoints", errDead)) // it dies when it has published
			check.OK(t, ahead.Scan(t.Context()))
			until(3*minute + minute/2)
			_ = scan(t, behind)
			until(4*minute - 2*grace)
			ahead.fail(nil)
			check.OK(t, ahead.Scan(t.Context()))
			synctest.Wait()
			check.Equal(t, len(o.attempts()[named]), 1, "calls of the endpoint")
			d.wantNothingWaiting(t)
		})
	})
}
