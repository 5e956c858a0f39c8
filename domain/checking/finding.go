// Package checking has what a look at a deployment finds, before or while it runs.
package checking

import (
	"fmt"
	"time"
)

// Level is how much a finding matters.
type Level string

// The levels. A Warn is a choice that may lose counts or confuse. With a Fail the service
// does not start, or does not do what it is for.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is one line of a checklist.
type Finding struct {
	Level Level
	What  string // names the server that it is about, and has no secret
	Mend  string // what an operator can do; empty if nothing is to be done, or What says it
}

// List collects the findings about one server or setting.
type List struct {
	About string
	All   []Finding
}

// Add adds a finding, whose text is a format and its arguments.
func (l *List) Add(level Level, mend, format string, args ...any) {
	l.All = append(l.All, Finding{level, l.About + ": " + fmt.Sprintf(format, args...), mend})
}

// Bounds are what is compared with what a store has.
type Bounds struct {
	Skew        time.Duration // the greatest difference of clocks at which ids are taken
	DiskReserve int64         // bytes that have to be free
}
