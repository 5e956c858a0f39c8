package public

import (
	"encoding/json"
	"errors"
	"net/http"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// EndpointHeader is refused in the answer to an id that counts without its endpoint.
const EndpointHeader = "X-Footfall-Endpoint"

// accept serves GET /api/verve/accept.
func (a *api) accept(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	id, endpoint, err := request.IDEvent(r.URL.RawQuery)
	kept := true
	if err == nil && endpoint != "" {
		err = a.refuseOtherSites(r)
	}
	if err == nil {
		kept, err = a.Uniques.Accept(r.Context(), a.client(r), id, endpoint)
	}
	if err != nil {
		a.logRefusal(r.URL.RawQuery, err)
		return nil, err
	}
	if !kept {
		w.Header().Set(EndpointHeader, "refused")
		a.shares.Do(func() {
			a.Log.Warn("endpoints are refused: a client or a host has its share, ids count", "host", request.EndpointHost(r.URL.RawQuery))
		})
	}
	return a.ok, nil
}

// logRefusal logs why an id is refused because of its endpoint: callers see only
// a code. All callers together cause at most one line a second. It has the host of
// the endpoint, and neither the query nor the user.
func (a *api) logRefusal(rawQuery string, err error) {
	f := problem.Of(err, true)
	if f.Code == "bad_id" || f.Status != http.StatusBadRequest && f.Code != "endpoint_limit" {
		return
	}
	reason := err.Error()
	if own, ok := errors.AsType[problem.Fault](err); ok {
		reason = own.Detail
	}
	a.refusals.Do(func() {
		a.Log.Info("endpoint refused", "code", f.Code, "host", request.EndpointHost(rawQuery), "reason", reason)
	})
}

// windows serves GET /api/verve/windows.
func (a *api) windows(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	limit, err := request.Limit(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	summaries, err := a.Uniques.Windows(r.Context(), limit)
	if err != nil {
		return nil, err
	}
	return json.Marshal(a.windowsOf(summaries))
}

type windowsJSON struct {
	Windows []windowJSON `json:"windows"`
}

type windowJSON struct {
	publishing.Summary
	// Callbacks stands for those of the summary; nil where they are private.
	Callbacks *counting.DeliveryTotals `json:"callbacks,omitempty"`
}

func (a *api) windowsOf(summaries []publishing.Summary) windowsJSON {
	windows := make([]windowJSON, len(summaries))
	for i, s := range summaries {
		windows[i].Summary = s.UTC()
		if !a.Private {
			windows[i].Callbacks = &windows[i].Deliveries
		}
	}
	return windowsJSON{windows}
}
