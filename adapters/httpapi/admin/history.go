package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// nodeHistory is what a node keeps. Since is empty where it keeps nothing, History where it has
// no setting or did not answer.
type nodeHistory struct {
	ID      counting.NodeID `json:"id"`
	History string          `json:"history,omitempty"`
	Since   string          `json:"since,omitempty"`
	Away    bool            `json:"away,omitempty"`
}

func marshalHistory(s timeline.Status) ([]byte, error) {
	nodes := make([]nodeHistory, len(s.Nodes))
	for i, n := range s.Nodes {
		nodes[i] = nodeHistory{ID: n.ID, Away: n.Err != nil}
		if n.IsSet() {
			nodes[i].History = n.Setting.String()
		}
		if !n.Since.IsZero() {
			nodes[i].Since = n.Since.UTC().Format(time.RFC3339)
		}
	}
	return json.Marshal(struct {
		Configured string        `json:"configured"`
		Nodes      []nodeHistory `json:"nodes"`
	}{s.Configured.String(), nodes})
}

// showHistory serves GET /history.
func (h *Handler) showHistory(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	return marshalHistory(h.Retention.Status(r.Context()))
}

// setHistory serves PUT /history.
func (h *Handler) setHistory(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	var change struct {
		History string `json:"history"`
	}
	if err := readChange(w, r, &change); err != nil {
		return nil, err
	}
	setting, err := counting.ParseHistory(change.History)
	if err != nil {
		return nil, problem.BadRequest("bad_history", err.Error())
	}
	status, err := h.Retention.Set(r.Context(), setting)
	if err != nil {
		return nil, awayFault("Not all nodes were changed", err)
	}
	h.Log.Info("history setting was changed", changed(w, r, "history", setting.String())...)
	return marshalHistory(status)
}
