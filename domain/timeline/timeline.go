package timeline

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/domain/counting"
)

// ErrNoHistory says that a store keeps no history, or that it has not begun.
var ErrNoHistory = errors.New("no history is kept")

// Timeline is the history of a page over a range. All numbers are of one moment.
type Timeline struct {
	Range
	// Visits has a number for each bucket of the range, in their order.
	Visits []int64
	// Sum is that of Visits, Total is the count of the page.
	Sum, Total int64
	// Before is what Total has and no kept bucket: it was counted before Since, or its bucket
	// has expired.
	Before int64
	// Since is when the history of the page begins.
	Since time.Time
	// If Err is set, there are no numbers.
	Err error
}

// Period is the number of visits of the last time of some length.
type Period struct {
	Visits int64
	// Since is when the history of the page begins, if that is within the time: earlier visits are not known. Otherwise
	// it is zero.
	Since time.Time
}

// Rolled is the count of a page, and its visits of the last time of some length. If Err is set, it has
// no numbers.
type Rolled struct {
	counting.Reading
	Period Period
}

// Start is the start of a bucket, by its index in Visits.
func (t Timeline) Start(i int) time.Time { return t.starts[i] }

// Count counts the visits of a page in a range. Errors: ErrNoHistory, ErrResolution,
// counting.Corrupt, and PageHistory.Err.
func (r Range) Count(h counting.PageHistory, now time.Time) (Timeline, error) {
	k, err := Read(h, now)
	if err == nil {
		err = k.fits(r.starts)
	}
	if err != nil {
		return Timeline{}, err
	}
	t := Timeline{Range: r, Visits: make([]int64, len(r.starts)-1), Total: h.Visits, Before: k.before, Since: k.since.In(r.From().Location())}
	for _, b := range k.buckets {
		start, end := b.Unit.Start(), b.Unit.End()
		if !end.After(r.From()) || !start.Before(r.To()) {
			continue
		}
		i, exact := slices.BinarySearchFunc(r.starts, start, time.Time.Compare)
		if !exact {
			i--
		}
		if i < 0 || end.After(r.starts[i+1]) {
			return Timeline{}, fmt.Errorf("%w: visits of %s are kept in one bucket of %s, which belongs to several steps",
				ErrResolution, start.Format(time.RFC3339), b.Unit.Length())
		}
		t.Visits[i], _ = counting.AddSaturated(t.Visits[i], b.Visits)
		t.Sum, _ = counting.AddSaturated(t.Sum, b.Visits)
	}
	return t, nil
}

// Rolling are the visits of the page in the last time of some length, by whole buckets: those
// that begin in it, and the first one whole. Where whole days alone are kept, it begins with
// a UTC day. ErrResolution: history is kept for a shorter time.
func (k Kept) Rolling(length time.Duration) (p Period, err error) {
	from := k.now.UTC().Truncate(k.setting.Unit).Add(k.setting.Unit - length)
	if from.Before(k.small) {
		from = from.Truncate(day)
	}
	if from.Before(k.oldest) {
		return p, fmt.Errorf("%w: history is kept for %d days only", ErrResolution, k.setting.Days)
	}
	if k.since.After(from) {
		p.Since = k.since.UTC()
	}
	// A bucket of another setting may be longer than those of this one.
	if i := slices.IndexFunc(k.buckets, func(b counting.Bucket) bool { return b.Unit.Start().Before(from) && b.Unit.End().After(from) }); i >= 0 {
		from = k.buckets[i].Unit.Start()
	}
	for _, b := range k.buckets {
		if !b.Unit.Start().Before(from) {
			p.Visits, _ = counting.AddSaturated(p.Visits, b.Visits)
		}
	}
	return p, nil
}

// day is a UTC day.
const day = 24 * time.Hour

// Kept is what is kept of a page at some time.
type Kept struct {
	now     time.Time
	setting counting.HistorySetting
	buckets []counting.Bucket
	before  int64
	// since is when the history begins. Small buckets are kept from small on, whole days
	// from oldest on.
	since, small, oldest time.Time
}

// Read reads what is kept of a page. Errors: ErrNoHistory, counting.Corrupt, and PageHistory.Err.
func Read(h counting.PageHistory, now time.Time) (k Kept, err error) {
	k.now, k.setting = now, h.State.Setting
	if k.setting.Unit == 0 {
		return k, ErrNoHistory
	}
	if h.Err != nil {
		return k, h.Err
	}
	buckets, since, err := h.Kept()
	if err != nil {
		return k, err
	}
	today := now.UTC().Truncate(day)
	k.small, k.oldest = today.AddDate(0, 0, -k.setting.SmallDays), today.AddDate(0, 0, -k.setting.Days)
	k.since = slices.MaxFunc([]time.Time{since, k.oldest}, time.Time.Compare)
	k.buckets = slices.DeleteFunc(buckets, func(b counting.Bucket) bool { return !b.Unit.End().After(k.since) })
	k.before = h.Visits
	for _, b := range k.buckets {
		if k.before -= b.Visits; k.before < 0 {
			return k, fmt.Errorf("the buckets of a page have more visits than its count: %w", counting.Corrupt)
		}
	}
	return k, nil
}

// fits is ErrResolution if a step begins within a bucket as it is or will be kept.
func (k Kept) fits(starts []time.Time) error {
	for _, at := range starts {
		zone := at.Location()
		switch {
		case at.Unix()%int64(k.setting.Unit/time.Second) != 0:
			return fmt.Errorf("%w: a step that begins at %s in %s (%s) does not fit buckets of %s: ask for longer steps or another zone, or keep quarters of an hour", ErrResolution, at.Format("15:04"), zone, at.Format("-07:00"), k.setting.Unit)
		case at.Before(k.small) && at.Unix()%int64(day/time.Second) != 0:
			return fmt.Errorf("%w: before %s only whole UTC days are kept: ask for tz=UTC with the step day, week or month, or for a later range",
				ErrResolution, k.small.Format(time.DateOnly))
		}
	}
	return nil
}
