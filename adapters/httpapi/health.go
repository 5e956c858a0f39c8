package httpapi

import (
	"context"
	"net/http"
	"time"

	"footfall/domain/watching"
)

// readyTime is how long the question whether the service is ready may take.
const readyTime = 2 * time.Second

// healthRoutes serves what an orchestrator asks.
type healthRoutes struct {
	replies
	nodes func(context.Context) []watching.Node
}

// alive serves GET /healthz: the process answers.
func (h *healthRoutes) alive(w http.ResponseWriter, _ *http.Request, _ string) error {
	return h.raw(w, []byte(`{"status":"ok"}`))
}

// readiness serves GET /readyz: requests can be served now, for one node at
// least answers. Those that don't are named either way.
func (h *healthRoutes) readiness(w http.ResponseWriter, r *http.Request, _ string) error {
	if isDraining(r.Context()) {
		return unavailable("draining", "The service is stopping.", 1)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	answer := struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{Status: "ready"}
	nodes := h.nodes(ctx)
	for _, n := range nodes {
		if !n.Answers {
			answer.Reasons = append(answer.Reasons, "node "+string(n.ID)+" does not answer")
		}
	}
	if len(answer.Reasons) == len(nodes) {
		f := unavailable("not_ready", "No node of the store answers.", 1)
		f.reasons = answer.Reasons
		return f
	}
	return h.json(w, answer)
}
