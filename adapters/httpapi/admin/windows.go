package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"footfall/domain/publishing"
)

// endpointJSON is how the delivery to one endpoint went.
type endpointJSON struct {
	Endpoint string `json:"endpoint"`
	// Result is pending, delivered or failed.
	Result   string `json:"result"`
	Attempts int    `json:"attempts"`
	// Status of the last answer; 0 when there was none.
	Status int `json:"status"`
	// Reason is why there was no attempt, or no more: abandoned, limited or paused.
	Reason string `json:"reason,omitempty"`
}

// showWindow serves GET /windows/{id}.
func (h *Handler) showWindow(_ http.ResponseWriter, r *http.Request, id string) ([]byte, error) {
	summary, deliveries, err := h.Windows.Deliveries(r.Context(), id)
	if err != nil {
		return nil, awayFault("The window can't be read", err)
	}
	endpoints := make([]endpointJSON, 0, len(deliveries))
	for endpoint, d := range deliveries {
		result := "pending"
		switch {
		case d.Delivered():
			result = "delivered"
		case d.Final:
			result = "failed"
		}
		endpoints = append(endpoints, endpointJSON{endpoint, result, d.Attempts, d.Status, d.Reason})
	}
	slices.SortFunc(endpoints, func(a, b endpointJSON) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return json.Marshal(struct {
		publishing.Summary
		Endpoints []endpointJSON `json:"endpoints"`
	}{summary.UTC(), endpoints})
}
