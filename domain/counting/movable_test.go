package counting_test

import (
	"errors"
	"math"
	"testing"

	"footfall/domain/counting"
)

func TestThePartsOfAMovingPageAddUp(t *testing.T) {
	const again = -1
	for _, c := range []struct {
		name                string
		source, destination counting.Part
		want                int64
	}{
		{"both are live before the claim", counting.Part{Visits: 5}, counting.Part{Visits: 2}, 7},
		{"it was claimed and taken in between the reads", counting.Part{Visits: 5}, counting.Part{Visits: 7, Marked: true}, again},
		{"it was closed between the reads", counting.Part{Visits: 5}, counting.Part{Visits: 7, Closed: true}, again},
		{"it is frozen", counting.Part{Stage: counting.Frozen, Residue: 5}, counting.Part{Visits: 2}, 7},
		{"it is frozen and taken in", counting.Part{Stage: counting.Frozen, Residue: 5}, counting.Part{Visits: 7, Marked: true}, 7},
		{"it is frozen and was closed between the reads", counting.Part{Stage: counting.Frozen, Residue: 5}, counting.Part{Visits: 7, Closed: true}, 7},
		{"it is gone", counting.Part{Stage: counting.Gone}, counting.Part{Visits: 7, Marked: true}, 7},
		{"it is gone and closed", counting.Part{Stage: counting.Gone}, counting.Part{Visits: 7, Closed: true}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := counting.Join(c.source, c.destination)
			switch {
			case c.want == again && ok:
				t.Errorf("got %+v, want that it is read again", got)
			case c.want != again && (!ok || got != counting.Tally{Visits: c.want}):
				t.Errorf("got %+v %v, want %d", got, ok, c.want)
			}
		})
	}
}

func TestPartsThatCanNotBeAddedUpAreAnError(t *testing.T) {
	full := counting.Part{Visits: math.MaxInt64}
	for _, c := range []struct {
		source, destination counting.Part
		want                error
	}{
		{counting.Part{Visits: 1}, full, counting.Overflow},
		{counting.Part{Err: counting.Corrupt}, full, counting.Corrupt},
		{full, counting.Part{Err: counting.Corrupt, Marked: true}, counting.Corrupt},
	} {
		if got, ok := counting.Join(c.source, c.destination); !ok || !errors.Is(got.Err, c.want) {
			t.Errorf("%+v and %+v: got %+v %v, want %v", c.source, c.destination, got, ok, c.want)
		}
	}
}
