package history

import (
	"context"
	"errors"
	"time"

	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// bucketsAtOnce is about how many buckets one call of Save returns.
const bucketsAtOnce = 20_000

// Save reads pages, each at one moment, with all that is kept of them. It returns the first ones, at least one, in their
// order. The Err of a page is counting.Corrupt. Other errors are those of Timelines, and no page is returned.
func (s *Service) Save(ctx context.Context, pages []counting.Page) (all []timeline.SavedPage, err error) {
	for buckets := 0; len(pages) > 0 && buckets < bucketsAtOnce; {
		some := make([]timeline.SavedPage, min(atOnce, len(pages)))
		s.each(ctx, pages[:len(some)], func(ctx context.Context, i int) { some[i] = s.save(ctx, pages[i]) })
		for _, p := range some {
			if p.Err != nil && !errors.Is(p.Err, counting.Corrupt) {
				return nil, p.Err
			}
			buckets += p.History.Len()
		}
		all, pages = append(all, some...), pages[len(some):]
	}
	return all, nil
}

func (s *Service) save(ctx context.Context, page counting.Page) timeline.SavedPage {
	h, _, err := s.read(ctx, page)
	saved := timeline.SavedPage{Page: page, Err: err}
	if err == nil {
		saved.Count = h.Visits
		saved.History, saved.Err = timeline.Save(h, time.Now())
	}
	return saved
}
