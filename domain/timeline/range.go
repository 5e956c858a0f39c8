package timeline

import (
	"errors"
	"fmt"
	"time"
)

// Errors of questions that can't be answered. Their texts say why.
var (
	ErrBadStep  = errors.New("bad step")
	ErrBadTime  = errors.New("bad time")
	ErrBadRange = errors.New("bad range")
	// ErrResolution: the buckets that are kept are too long for the question.
	ErrResolution = errors.New("the kept buckets do not fit")
)

const (
	// MaxBuckets is the most buckets of a range.
	MaxBuckets = 1000
	// DefaultSteps is the length of a range without a start.
	DefaultSteps = 24
)

// Range is a range of time in steps, half-open. It has MaxBuckets at most, and may be empty.
type Range struct {
	Step Step
	// starts are those of the buckets, and the end of the last one, in the zone.
	starts []time.Time
}

// From is the start of the range, and To its end.
func (r Range) From() time.Time { return r.starts[0] }

// To is the first moment after the range.
func (r Range) To() time.Time { return r.starts[len(r.starts)-1] }

// ParseRange reads the range from one time to another, each RFC 3339 or a date, which is its
// first moment in the zone. Both are aligned down to the step in the zone. An empty to is the end of the
// step of now, an empty from is DefaultSteps before to. Errors: ErrBadTime, ErrBadRange.
func ParseRange(step Step, zone *time.Location, from, to string, now time.Time) (Range, error) {
	end := step.next(step.floor(now.In(zone)))
	if to != "" {
		t, err := ParseTime("to", to, zone)
		if err != nil {
			return Range{}, err
		}
		end = step.floor(t)
	}
	begin := end
	if from != "" {
		t, err := ParseTime("from", from, zone)
		if err != nil {
			return Range{}, err
		}
		begin = step.floor(t)
	} else {
		for range DefaultSteps {
			begin = step.floor(begin.Add(-1))
		}
	}
	switch {
	case begin.After(end) && to == "":
		return Range{}, fmt.Errorf("%w: from is in the future", ErrBadRange)
	case begin.After(end):
		return Range{}, fmt.Errorf("%w: from is after to", ErrBadRange)
	}
	r := Range{Step: step, starts: []time.Time{begin}}
	for at := begin; at.Before(end); {
		if len(r.starts) > MaxBuckets {
			return Range{}, fmt.Errorf("%w: it has more than %d buckets: ask for a longer step or a shorter range", ErrBadRange, MaxBuckets)
		}
		at = step.next(at)
		r.starts = append(r.starts, at)
	}
	return r, nil
}

// ParseTime reads the parameter of a name: RFC 3339, or a date, which is its first moment in the zone. The error is
// ErrBadTime.
func ParseTime(name, text string, zone *time.Location) (time.Time, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return firstMoment(date, zone), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%w: %s is neither a date such as 2026-11-28 nor a time such as 2026-11-28T00:00:00Z", ErrBadTime, name)
	}
	return t.In(zone), nil
}
