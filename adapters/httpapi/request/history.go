package request

import (
	"slices"
	"strings"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/timeline"
)

// defaultStep is that of a history without one.
const defaultStep = timeline.Hour

// History reads the parameters from, to, step and tz of a query. Its errors are faults and those of
// timeline.ParseRange.
func History(rawQuery string, now time.Time) (r timeline.Range, err error) {
	if err := Only(rawQuery, "from", "to", "step", "tz"); err != nil {
		return r, err
	}
	values := make(map[string]string)
	for _, name := range []string{"from", "to", "step", "tz"} {
		if values[name], err = Param(rawQuery, name); err != nil {
			return r, err
		}
	}
	step := defaultStep
	if given := values["step"]; given != "" {
		if step, err = timeline.ParseStep(given); err != nil {
			return r, err
		}
	}
	zone, err := zoneOf(values["tz"])
	if err != nil {
		return r, err
	}
	return timeline.ParseRange(step, zone, plus(values["from"]), plus(values["to"]), now)
}

// plus mends a time: a + that was not sent as %2B is a space by now.
func plus(s string) string { return strings.ReplaceAll(s, " ", "+") }

// zoneOf is the time zone of a name; UTC for an empty one.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	first, _, _ := strings.Cut(name, "/")
	// They are no zones of IANA: that of this machine, other files beside the zones, and copies with leap seconds.
	if err != nil || slices.Contains([]string{"Local", "localtime", "posixrules", "Factory", "posix", "right"}, first) {
		return nil, problem.BadRequest("bad_tz", "The parameter tz is the name of a time zone, such as Europe/Berlin or UTC.")
	}
	return zone, nil
}

// periods are the values of the parameter period.
func periods() map[string]time.Duration {
	const day = 24 * time.Hour
	return map[string]time.Duration{"24h": day, "7d": 7 * day, "30d": 30 * day}
}

// Period reads the parameter period of a query, and its length; empty if it is not given.
func Period(rawQuery string) (name string, length time.Duration, err error) {
	name, err = Param(rawQuery, "period")
	if err != nil || name == "" {
		return "", 0, err
	}
	length, known := periods()[name]
	if !known {
		return "", 0, problem.BadRequest("bad_period", "The parameter period is 24h, 7d or 30d.")
	}
	return name, length, nil
}
