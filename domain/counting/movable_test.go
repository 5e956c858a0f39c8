package counting_test

import (
	"errors"
	"math"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestThePartsOfAMovingPageAddUp(t *testing.T) {
	for _, c := range []struct {
		name                string
		source, destination counting.Part
		want                int64
	}{
		{"both are live before the claim", counting.Part{Visits: 5}, counting.Part{Visits: 2}, 7},
		{"it was claimed and taken in between the reads", counting.Part{Visits: 5}, counting.Part{Visits: 7, Marked: true}, 7},
		{"it was closed between the reads", counting.Part{Visits: 5}, counting.Part{Visits: 7, Closed: true}, 7},
		{"the source was rolled back behind the claim", counting.Part{Visits: 4}, counting.Part{Visits: 7, Marked: true}, 7},
		{"the source was rolled back and is no count", counting.Part{Err: counting.Corrupt}, counting.Part{Visits: 7, Closed: true}, 7},
		{"it is frozen", counting.Part{Stage: counting.Frozen, Frozen: 5}, counting.Part{Visits: 2}, 7},
		{"it is frozen and taken in", counting.Part{Stage: counting.Frozen, Frozen: 5}, counting.Part{Visits: 7, Marked: true}, 7},
		{"it is frozen and was closed between the reads", counting.Part{Stage: counting.Frozen, Frozen: 5}, counting.Part{Visits: 7, Closed: true}, 7},
		{"it is gone", counting.Part{Stage: counting.Released}, counting.Part{Visits: 7, Marked: true}, 7},
		{"the sum passes the maximum", counting.Part{Visits: math.MaxInt64}, counting.Part{Visits: 7}, math.MaxInt64},
		{"it is gone and closed", counting.Part{Stage: counting.Released}, counting.Part{Visits: 7, Closed: true}, 7},
	} {
		check.Equal(t, counting.Join(c.source, c.destination), (counting.Tally{Visits: c.want}), "%s", c.name)
	}
}

func TestAPartThatCanNotBeReadIsAnError(t *testing.T) {
	full := counting.Part{Visits: math.MaxInt64}
	for _, c := range []struct {
		source, destination counting.Part
		want                error
	}{
		{counting.Part{Err: counting.Corrupt}, full, counting.Corrupt},
		{full, counting.Part{Err: counting.Corrupt, Marked: true}, counting.Corrupt},
	} {
		if got := counting.Join(c.source, c.destination); !errors.Is(got.Err, c.want) {
			t.Errorf("%+v and %+v: got %+v, want %v", c.source, c.destination, got, c.want)
		}
	}
}
