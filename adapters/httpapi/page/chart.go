package page

import (
	"fmt"
	"slices"
	"time"

	"footfall/domain/timeline"
)

// Span is the time that the charts of the pages show.
type Span string

// The spans, as the parameter chart of the page has them.
const (
	DaySpan   Span = "24h"
	MonthSpan Span = "30d"
)

// ParseSpan reads a span; an empty one is DaySpan.
func ParseSpan(s string) (span Span, ok bool) {
	switch span := Span(s); span {
	case "":
		return DaySpan, true
	case DaySpan, MonthSpan:
		return span, true
	}
	return "", false
}

// days are those of MonthSpan.
const days = 30

// Range is the time that a chart shows at some moment, up to the end of its hour or day, in UTC. The hours
// of DaySpan begin with the day before, so those of the UTC day are among them.
func (s Span) Range(now time.Time) (timeline.Range, error) {
	if s == MonthSpan {
		return timeline.ParseRange(timeline.Day, time.UTC, now.UTC().AddDate(0, 0, 1-days).Format(time.DateOnly), "", now)
	}
	return timeline.ParseRange(timeline.Hour, time.UTC, "", "", now)
}

// String is the span in words.
func (s Span) String() string {
	if s == MonthSpan {
		return fmt.Sprint(days, " days")
	}
	return "24 hours"
}

// Step is that of the bars.
func (s Span) Step() timeline.Step {
	if s == MonthSpan {
		return timeline.Day
	}
	return timeline.Hour
}

// Other is the other span.
func (s Span) Other() Span {
	if s == MonthSpan {
		return DaySpan
	}
	return MonthSpan
}

// Label is how a bar that starts at a time is called.
func (s Span) Label(start time.Time) string {
	if s == MonthSpan {
		return start.UTC().Format(time.DateOnly)
	}
	return start.UTC().Format("15:04")
}

// Chart shows the visits of a page.
type Chart struct {
	span Span
	timeline.Timeline
}

// The size of a chart, in its own units; chart.js has the same.
const sparkWidth, sparkHeight = 600.0, 40.0

// SparkBar is the bar of an hour or a day.
type SparkBar struct {
	Label               string
	Start               time.Time
	Visits              int64
	X, Y, Width, Height float64
	// Class is open for the present one, none for one without a visit.
	Class string
}

// Bars are those of the chart, oldest first.
func (c *Chart) Bars() []SparkBar {
	bars, most := make([]SparkBar, len(c.Visits)), max(1, slices.Max(c.Visits))
	step := sparkWidth / float64(len(bars))
	for i, n := range c.Visits {
		height := max(1.5, sparkHeight*float64(n)/float64(most))
		bars[i] = SparkBar{c.span.Label(c.Start(i)), c.Start(i), n, step*float64(i) + 1, sparkHeight - height, step - 2, height, ""}
		switch {
		case n == 0:
			bars[i].Class = "none"
		case i == len(bars)-1:
			bars[i].Class = "open"
		}
	}
	return bars
}

// Today is the number of visits of the UTC day, to which the last bar belongs.
func (c *Chart) Today() (sum int64) {
	day := c.Start(len(c.Visits) - 1).UTC().Truncate(24 * time.Hour)
	for i, n := range c.Visits {
		if !c.Start(i).Before(day) {
			sum += n
		}
	}
	return sum
}

// Summary is the chart in words; chart.js has the same.
func (c *Chart) Summary() string {
	span := "in the last " + c.span.String()
	if c.Since.After(c.From()) { // earlier ones are not known
		span = "since " + c.Since.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	if c.Sum == 0 {
		return "no visit " + span
	}
	most := slices.Max(c.Visits)
	return fmt.Sprintf("%s %s, at most %s, from %s UTC", Grouped(c.Sum), span, Grouped(most), c.span.Label(c.Start(slices.Index(c.Visits, most))))
}
