package bootstrap

import (
	"errors"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/public"
)

// limitSettings are the bounds of what callers may take.
func (s *Settings) limitSettings() []setting {
	return []setting{
		{"client-share", "25", "Percent that one client may take of each total at an instance, 1 to 100: FOOTFALL_REQUEST_LIMIT, FOOTFALL_BULK_LIMIT, and FOOTFALL_CALLBACK_LIMIT, of which one host has as much; 100 is no bound.", into(&s.ClientShare, parseShare)},
		{"count-limit", "1000", "Largest count of an item of POST /visits, from 1; those of a request are at most ten times that together, or 2000 if that is more. The admin listener sets larger ones.", into(&s.CountLimit, parseCountLimit)},
		{"request-limit", "4096", "Requests that an instance serves at a time, but for events and health; more are refused with 503, and those of one client beyond its share with 429; 0 is no bound.", into(&s.RequestLimit, numberTo(1_000_000))},
		{"bulk-limit", "128", "Requests of POST /visits that an instance serves at a time, as with FOOTFALL_REQUEST_LIMIT; 0 is no bound.", into(&s.BulkLimit, numberTo(1_000_000))},
	}
}

func parseShare(text string) (int, error) {
	n, err := numberTo(100)(text)
	if err != nil || n == 0 {
		return 0, errors.New("want a number from 1 to 100")
	}
	return n, nil
}

func parseCountLimit(text string) (int, error) {
	n, err := numberTo(1_000_000_000)(text)
	if err != nil || n == 0 {
		return 0, errors.New("want a number from 1 to 1000000000")
	}
	return n, nil
}

// bounds are those of the public listener. refused counts what they refuse.
func (s *Settings) bounds(refused func(resource, bound string)) public.Bounds {
	pool := func(resource string, total int) *limits.Pool {
		return &limits.Pool{Resource: resource, Total: int64(total), Share: int64(s.shareOf(total)), Refused: refused}
	}
	return public.Bounds{Requests: pool("requests", s.RequestLimit), Bulks: pool("bulks", s.BulkLimit)}
}

// shareOf is how much of a total one client may have, 0 for no bound.
func (s *Settings) shareOf(total int) int {
	if s.ClientShare == 100 || total == 0 {
		return 0
	}
	return max(1, total*s.ClientShare/100)
}
