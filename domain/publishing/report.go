// Package publishing defines what is sent when a window is closed: a report to a
// publisher, and a notification to each endpoint that was named.
package publishing

import (
	"encoding/json"
	"strings"
	"time"

	"footfall/domain/counting"
)

// ReportType names the format of Report.Body in messages.
const ReportType = "footfall.unique_ids.v1"

// Report is the count of one window.
type Report struct {
	// ID is the window's id, as sharding.Ring makes it; every repetition has the same one.
	ID    string    `json:"id"`
	Start time.Time `json:"window_start"`
	End   time.Time `json:"window_end"`
	// Count of distinct ids.
	Count int64 `json:"count"`
}

// Deployment is the name of the deployment, which begins the id.
func (r Report) Deployment() string {
	name, _, _ := strings.Cut(r.ID, "_")
	return name
}

// UTC is the report with its times in UTC, as its JSON shows them.
func (r Report) UTC() Report {
	r.Start, r.End = r.Start.UTC(), r.End.UTC()
	return r
}

// Body is the JSON of the report in messages and callbacks. Times are UTC, in the
// format of RFC 3339.
func (r Report) Body() []byte {
	// Strings and a number can't fail, as a time of the year 10000 would.
	b, _ := json.Marshal(struct {
		ID    string `json:"id"`
		Start string `json:"window_start"`
		End   string `json:"window_end"`
		Count int64  `json:"count"`
	}{r.ID, r.Start.UTC().Format(time.RFC3339Nano), r.End.UTC().Format(time.RFC3339Nano), r.Count})
	return b
}

// Summary is the state of a window. For an open window Count is the present count.
type Summary struct {
	Report
	State counting.State `json:"state"`
	// Sink names the publisher that took the report, if one did.
	Sink string `json:"published_to,omitempty"`
	// Deliveries counts the endpoints that were named and notified so far.
	Deliveries counting.DeliveryTotals `json:"callbacks"`
}

// Span is a range of time, half-open. It has the windows that start in it. A zero From or To
// is no bound.
type Span struct{ From, To time.Time }

// UTC is the summary with its times in UTC, as its JSON shows them.
func (s Summary) UTC() Summary {
	s.Report = s.Report.UTC()
	return s
}
