// Package publishing says what leaves Footfall when a window is closed: a
// report to a publisher, and a call to each endpoint that was named.
package publishing

import (
	"encoding/json"
	"time"

	"footfall/domain/counting"
)

// Report is the one number of one window.
type Report struct {
	// ID is the window's name, the same however often it is published.
	ID         string
	Start, End time.Time
	// Count of distinct ids.
	Count int64
}

// Body is the JSON of the report, as it stands in a message and a callback;
// its times are in UTC and RFC 3339.
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

// Summary is how far a window has come. Count is that of now for a window
// that is open.
type Summary struct {
	Report
	State counting.State
	// Sink names where the report was published, if it was.
	Sink string
	// Calls counts the endpoints that were named and called so far.
	Deliveries counting.DeliveryTotals
}
