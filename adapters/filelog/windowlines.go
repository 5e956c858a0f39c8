package filelog

// maxReports is how many reports have their lines counted. More of them are never
// delivered at a time.
const maxReports = 64

// windowLines counts the lines of deliveries by report. It is not safe for
// concurrent use.
type windowLines struct {
	most  int // lines of a report
	lines map[string]int
	order []string // the reports, oldest first
}

// admit counts a line of a report, and reports whether it is written.
func (w *windowLines) admit(report string) bool {
	if _, known := w.lines[report]; !known {
		if len(w.order) >= maxReports { // its end was never logged
			delete(w.lines, w.order[0])
			w.order = w.order[1:]
		}
		w.order = append(w.order, report)
	}
	w.lines[report]++
	return w.lines[report] <= w.most
}

// end returns how many lines of a report were left out since the last end. What it may
// have of lines is not renewed by that: an interrupted delivery continues it.
func (w *windowLines) end(report string) int {
	left := max(w.lines[report]-w.most, 0)
	w.lines[report] -= left
	return left
}
