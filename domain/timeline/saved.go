package timeline

import (
	"errors"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// ErrBadSaved says that something is no Saved, or not one of its page.
var ErrBadSaved = errors.New("bad history")

const (
	// maxSaved bounds the buckets of a Saved. A store keeps fewer of a page.
	maxSaved = 20_000
	// ahead is how much later than now a bucket may begin: clocks differ.
	ahead = time.Hour
)

// Saved is the history of a page as files have it: when it begins, and the start and the visits of each bucket by its
// length, days being those of UTC. All times are Unix seconds.
type Saved struct {
	Since    int64      `json:"since"`
	Quarters [][2]int64 `json:"15m,omitempty"`
	Hours    [][2]int64 `json:"1h,omitempty"`
	Days     [][2]int64 `json:"1d,omitempty"`
}

// SavedPage is a page with its count and history at one moment. If Err is set, it has neither.
type SavedPage struct {
	Page    counting.Page
	Count   int64
	History Saved
	Err     error
}

// kind is one of the lists of a Saved.
type kind struct {
	name    string
	buckets *[][2]int64
	at      func(time.Time) counting.Unit
}

func (s *Saved) kinds() []kind {
	return []kind{
		{"15m", &s.Quarters, counting.HistorySetting{Unit: 15 * time.Minute}.UnitAt},
		{"1h", &s.Hours, counting.HistorySetting{Unit: time.Hour}.UnitAt},
		{"1d", &s.Days, counting.DayUnit},
	}
}

// Len is the number of buckets.
func (s *Saved) Len() int { return len(s.Quarters) + len(s.Hours) + len(s.Days) }

// Save is the history of a page. Errors: ErrNoHistory, counting.Corrupt, and PageHistory.Err.
func Save(h counting.PageHistory, now time.Time) (s Saved, err error) {
	k, err := Read(h, now)
	if err != nil {
		return s, err
	}
	s.Since = k.since.Unix()
	for _, kind := range s.kinds() {
		for _, b := range k.buckets {
			if kind.at(b.Unit.Start()) == b.Unit {
				*kind.buckets = append(*kind.buckets, [2]int64{b.Unit.Start().Unix(), b.Visits})
			}
		}
	}
	return s, nil
}

// Pack is the history with which a page of some count is restored (counting.SetCount). The error wraps
// ErrBadSaved and says why it can't be.
func (s Saved) Pack(count int64, now time.Time) (counting.Packed, error) {
	bad := func(format string, args ...any) (counting.Packed, error) {
		return "", fmt.Errorf("%w: %s", ErrBadSaved, fmt.Sprintf(format, args...))
	}
	latest := now.Add(ahead).Unix()
	switch {
	case s.Since < 1 || s.Since > latest:
		return bad("since is not a time in Unix seconds, up to now")
	case s.Len() > maxSaved:
		return bad("it has %d buckets, the most is %d", s.Len(), maxSaved)
	}
	buckets, left := make([]counting.Bucket, 0, s.Len()), count
	for _, kind := range s.kinds() {
		for _, b := range *kind.buckets {
			start, visits := b[0], b[1]
			if start < 0 || start > latest {
				return bad("%s has a bucket of %d, which is no time up to now", kind.name, start)
			}
			u := kind.at(time.Unix(start, 0))
			switch {
			case u.Start().Unix() != start:
				return bad("%s has a bucket of %d, where none starts", kind.name, start)
			case u.End().Unix() <= s.Since:
				return bad("%s has a bucket of %d, which is before since", kind.name, start)
			case visits < 1:
				return bad("%s has a bucket of %d with %d visits", kind.name, start, visits)
			case visits > left:
				return bad("its buckets have more visits than the count, %d", count)
			}
			left -= visits
			buckets = append(buckets, counting.Bucket{Unit: u, Visits: visits})
		}
	}
	return counting.Restored(time.Unix(s.Since, 0)).Append(buckets...), nil
}
