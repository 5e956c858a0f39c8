package bootstrap

import "errors"

// limitSettings are the bounds of what callers may take.
func (s *Settings) limitSettings() []setting {
	return []setting{
		{"client-share", "25", "Percent of FOOTFALL_CALLBACK_LIMIT, 1 to 100: so many new endpoints of a window may one client name at an instance, and so many may be at one host; 100 is no bound.", into(&s.ClientShare, parseShare)},
		{"count-limit", "1000", "Largest count of an item of POST /visits, from 1; those of a request are at most ten times that together, or 2000 if that is more. The admin listener sets larger ones.", into(&s.CountLimit, parseCountLimit)},
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

// endpointShare is how many new endpoints of a window one client may name, 0 for no bound.
func (s *Settings) endpointShare() int {
	if s.ClientShare == 100 || s.CallbackLimit == 0 {
		return 0
	}
	return max(1, s.CallbackLimit*s.ClientShare/100)
}
