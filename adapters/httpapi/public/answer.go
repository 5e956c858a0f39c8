package public

import (
	"encoding/json"
	"strconv"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/timeline"
)

// readingBytes is about what a result of GET /visits has beside its name.
const readingBytes = 72

// readingResult is one result of GET /visits: a number, with that of a period if that was
// asked for, or an error.
type readingResult struct {
	name string
	timeline.Rolled
	rolled bool
}

// periodJSON are the visits of the last time, of a younger history those since it began.
type periodJSON struct {
	Visits int64     `json:"visits"`
	Since  time.Time `json:"since,omitzero"`
}

// appendReadings writes the answer of GET /visits with many pages.
func appendReadings(b []byte, results []readingResult) []byte {
	b = append(b, `{"results":[`...)
	for i := range results {
		if i > 0 {
			b = append(b, ',')
		}
		r := &results[i]
		b = append(b, `{"page_id":"`...)
		b = append(problem.AppendEscaped(b, r.name), '"')
		if r.Err != nil {
			b = append(problem.Of(r.Err, false).AppendItem(b), '}')
			continue
		}
		b = append(b, `,"visits":`...)
		b = strconv.AppendInt(b, r.Visits, 10)
		if r.Via != "" {
			b = append(b, `,"served_via":"`...)
			b = append(problem.AppendEscaped(b, string(r.Via)), '"')
		}
		if r.rolled {
			period, _ := json.Marshal(periodJSON{r.Period.Visits, r.Period.Since}) // the times of a history always encode
			b = append(append(b, `,"period":`...), period...)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}
