package httpapi

import (
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Window is the JSON of a window.
type Window struct {
	ID          string         `json:"id"`
	Start       time.Time      `json:"window_start"`
	End         time.Time      `json:"window_end"`
	Count       int64          `json:"count"`
	State       counting.State `json:"state"`
	PublishedTo string         `json:"published_to,omitempty"`
	Callbacks   struct {
		Endpoints int `json:"endpoints"`
		Delivered int `json:"delivered"`
		Failed    int `json:"failed"`
	} `json:"callbacks"`
}

// WindowOf is the JSON of a summary, with its times in UTC.
func WindowOf(s publishing.Summary) Window {
	w := Window{
		ID: s.ID, Start: s.Start.UTC(), End: s.End.UTC(), Count: s.Count, State: s.State,
		PublishedTo: s.Sink,
	}
	w.Callbacks.Endpoints, w.Callbacks.Delivered, w.Callbacks.Failed = s.Deliveries.Endpoints, s.Deliveries.Delivered, s.Deliveries.Failed
	return w
}
