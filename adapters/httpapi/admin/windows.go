package admin

import (
	"net/http"
	"slices"
	"strings"

	"footfall/adapters/httpapi"
	"footfall/domain/publishing"
)

// windowRoutes serves windows with their endpoints.
type windowRoutes struct {
	httpapi.Replies
	windows Windows
}

// endpointJSON is how the delivery to one endpoint went.
type endpointJSON struct {
	Endpoint string `json:"endpoint"`
	// Result is pending, delivered or failed.
	Result   string `json:"result"`
	Attempts int    `json:"attempts"`
	// Status of the last answer; 0 when there was none.
	Status int `json:"status"`
}

// show serves GET /windows/{id}.
func (u *windowRoutes) show(w http.ResponseWriter, r *http.Request, id string) error {
	summary, deliveries, err := u.windows.Deliveries(r.Context(), id)
	if err != nil {
		return err
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
		endpoints = append(endpoints, endpointJSON{endpoint, result, d.Attempts, d.Status})
	}
	slices.SortFunc(endpoints, func(a, b endpointJSON) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return u.JSON(w, struct {
		publishing.Summary
		Endpoints []endpointJSON `json:"endpoints"`
	}{summary.UTC(), endpoints})
}
