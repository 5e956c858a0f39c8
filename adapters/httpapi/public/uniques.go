package public

import (
	"encoding/json"
	"net/http"

	"footfall/adapters/httpapi/request"
	"footfall/domain/publishing"
)

// accept serves GET /api/verve/accept.
func (a *api) accept(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	id, endpoint, err := request.IDEvent(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := a.Uniques.Accept(r.Context(), id, endpoint); err != nil {
		return nil, err
	}
	return a.ok, nil
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
	return json.Marshal(windowsOf(summaries))
}

type windowsJSON struct {
	Windows []publishing.Summary `json:"windows"`
}

func windowsOf(summaries []publishing.Summary) windowsJSON {
	windows := make([]publishing.Summary, len(summaries))
	for i, s := range summaries {
		windows[i] = s.UTC()
	}
	return windowsJSON{windows}
}
