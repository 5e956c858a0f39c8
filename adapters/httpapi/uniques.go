package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	defaultWindows = 60
	maxWindows     = 1000
)

// uniqueRoutes serves what is about ids and their windows.
type uniqueRoutes struct {
	replies
	uniques Uniques
	ok      []byte
}

func newUniqueRoutes(u Uniques) *uniqueRoutes {
	return &uniqueRoutes{replies: newReplies(), uniques: u, ok: []byte("ok")}
}

// accept serves GET /api/verve/accept. An empty endpoint is none.
func (u *uniqueRoutes) accept(w http.ResponseWriter, r *http.Request, _ string) error {
	given, _, err := oneParam(r.URL.RawQuery, "id")
	if err != nil {
		return err
	}
	id, err := counting.ParseID(given)
	if err != nil {
		return err
	}
	given, _, err = oneParam(r.URL.RawQuery, "endpoint")
	if err != nil {
		return err
	}
	var endpoint publishing.Endpoint
	if given != "" {
		if endpoint, err = publishing.ParseEndpoint(given); err != nil {
			return err
		}
	}
	if err := u.uniques.Accept(r.Context(), id, endpoint); err != nil {
		return err
	}
	u.text(w, http.StatusOK, u.ok)
	return nil
}

// windowJSON is a window as both listeners show it.
type windowJSON struct {
	ID          string         `json:"id"`
	Start       time.Time      `json:"window_start"`
	End         time.Time      `json:"window_end"`
	Count       int64          `json:"count"`
	State       counting.State `json:"state"`
	PublishedTo string         `json:"published_to,omitempty"`
	Callbacks   callbacksJSON  `json:"callbacks"`
}

type callbacksJSON struct {
	Endpoints int `json:"endpoints"`
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
}

func windowOf(s publishing.Summary) windowJSON {
	return windowJSON{
		ID: s.ID, Start: s.Start.UTC(), End: s.End.UTC(), Count: s.Count, State: s.State,
		PublishedTo: s.Sink, Callbacks: callbacksJSON(s.Deliveries),
	}
}

// windows serves GET /api/verve/windows.
func (u *uniqueRoutes) windows(w http.ResponseWriter, r *http.Request, _ string) error {
	limit := defaultWindows
	text, given, err := oneParam(r.URL.RawQuery, "limit")
	if err != nil {
		return err
	}
	if given {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxWindows {
			return badRequest("bad_limit", "The parameter limit is an integer from 1 to "+strconv.Itoa(maxWindows)+".")
		}
	}
	summaries, err := u.uniques.Windows(r.Context(), limit)
	if err != nil {
		return err
	}
	return u.json(w, windowsOf(summaries))
}

type windowsJSON struct {
	Windows []windowJSON `json:"windows"`
}

func windowsOf(summaries []publishing.Summary) windowsJSON {
	windows := make([]windowJSON, len(summaries))
	for i, s := range summaries {
		windows[i] = windowOf(s)
	}
	return windowsJSON{windows}
}

// endpointJSON is what became of telling one endpoint.
type endpointJSON struct {
	Endpoint string `json:"endpoint"`
	// Result is pending, delivered or failed.
	Result   string `json:"result"`
	Attempts int    `json:"attempts"`
	// Status of the last answer; 0 when there was none.
	Status int `json:"status"`
}

// window serves GET /windows/{id} of the admin listener.
func (u *uniqueRoutes) window(w http.ResponseWriter, r *http.Request, param string) error {
	summary, calls, err := u.uniques.Deliveries(r.Context(), param)
	if err != nil {
		return err
	}
	endpoints := make([]endpointJSON, 0, len(calls))
	for endpoint, call := range calls {
		result := "pending"
		switch {
		case call.Delivered():
			result = "delivered"
		case call.Final:
			result = "failed"
		}
		endpoints = append(endpoints, endpointJSON{endpoint, result, call.Attempts, call.Status})
	}
	slices.SortFunc(endpoints, func(a, b endpointJSON) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return u.json(w, struct {
		windowJSON
		Endpoints []endpointJSON `json:"endpoints"`
	}{windowOf(summary), endpoints})
}
