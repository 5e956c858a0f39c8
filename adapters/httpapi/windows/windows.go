// Package windows lists windows on both listeners.
package windows

import (
	"encoding/json"
	"net/http"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Options are what the list depends on.
type Options struct {
	Lister Lister
	// Private: it is not shown how callbacks went.
	Private bool
}

// Route is the list at a path.
func Route(o Options, path string) httpapi.Route {
	return httpapi.Route{Method: http.MethodGet, Path: path, Do: o.list}
}

// JSON is a list of windows.
type JSON struct {
	Windows []windowJSON `json:"windows"`
	// NextCursor is where the list goes on, empty after its end.
	NextCursor string `json:"next_cursor,omitempty"`
}

type windowJSON struct {
	publishing.Summary
	// Callbacks stands for those of the summary; nil where they are private.
	Callbacks *counting.DeliveryTotals `json:"callbacks,omitempty"`
}

// Of is the list of some windows.
func Of(summaries []publishing.Summary, private bool) JSON {
	windows := make([]windowJSON, len(summaries))
	for i, s := range summaries {
		windows[i].Summary = s.UTC()
		if !private {
			windows[i].Callbacks = &windows[i].Deliveries
		}
	}
	return JSON{Windows: windows}
}

func (o Options) list(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	span, limit, err := request.Windows(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	summaries, more, err := o.Lister.List(r.Context(), span, limit)
	if err != nil {
		return nil, err
	}
	answer := Of(summaries, o.Private)
	if more {
		answer.NextCursor = request.Cursor(summaries[len(summaries)-1].Start)
	}
	return json.Marshal(answer)
}
