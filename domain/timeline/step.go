// Package timeline shows the history of a page as buckets of a step in a time zone.
package timeline

import (
	"fmt"
	"time"
)

// Step is the length of the buckets of a range, by the clock and the calendar of its zone.
type Step string

// The steps. A week begins on Monday.
const (
	Quarter Step = "15m"
	Hour    Step = "hour"
	Day     Step = "day"
	Week    Step = "week"
	Month   Step = "month"
)

// ParseStep reads the name of a step. Its error is ErrBadStep.
func ParseStep(s string) (Step, error) {
	switch step := Step(s); step {
	case Quarter, Hour, Day, Week, Month:
		return step, nil
	}
	return "", fmt.Errorf("%w: want 15m, hour, day, week or month", ErrBadStep)
}

// seconds is 0 for a step of the calendar.
func (s Step) seconds() int64 {
	switch s {
	case Quarter:
		return 900
	case Hour:
		return 3600
	}
	return 0
}

// floor is the start of the step in which a time lies.
func (s Step) floor(t time.Time) time.Time {
	if length := s.seconds(); length > 0 {
		start := t.Add(-time.Duration(wall(t)%length)*time.Second - time.Duration(t.Nanosecond()))
		// Where the offset changes within a step, another one begins.
		if changed, _ := t.ZoneBounds(); !changed.IsZero() && start.Before(changed) {
			return changed
		}
		return start
	}
	return firstMoment(s.period(t), t.Location())
}

// next is the start of the step after the one that begins at start.
func (s Step) next(start time.Time) time.Time {
	if length := s.seconds(); length > 0 {
		next := start.Add(time.Duration(length-wall(start)%length) * time.Second)
		if _, changes := start.ZoneBounds(); !changes.IsZero() && next.After(changes) {
			return changes
		}
		return next
	}
	first := s.period(start)
	switch s {
	case Week:
		first = first.AddDate(0, 0, 7)
	case Month:
		first = first.AddDate(0, 1, 0)
	default:
		first = first.AddDate(0, 0, 1)
	}
	return firstMoment(first, start.Location())
}

// wall is what the clocks of its zone show at a time, as seconds since 1970, or since an
// earlier day if that would be negative.
func wall(t time.Time) int64 {
	const era = 4000 * 365 * 86400
	_, offset := t.Zone()
	return t.Unix() + int64(offset) + era
}

// period is the first day of the step of the calendar in which a time lies, as a time in UTC.
func (s Step) period(t time.Time) time.Time {
	y, m, d := t.Date()
	switch s {
	case Week:
		d -= (int(t.Weekday()) + 6) % 7
	case Month:
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// firstMoment is the first moment at which a zone has a date, or a later one if it skips that. The clocks
// may be changed at midnight, so that the day begins at another time or midnight comes twice.
func firstMoment(date time.Time, zone *time.Location) time.Time {
	const more = 36 * time.Hour // than any offset
	for at := date.Add(-more).In(zone); ; {
		_, offset := at.Zone()
		midnight := date.Add(-time.Duration(offset) * time.Second).In(zone)
		_, changes := at.ZoneBounds()
		switch {
		case midnight.Before(at):
			return at
		case changes.IsZero() || midnight.Before(changes):
			return midnight
		}
		at = changes
	}
}
