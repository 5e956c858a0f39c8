package public

import (
	"context"
	"net/http"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/watching"
)

// readyTime bounds a check of readiness.
const readyTime = 2 * time.Second

// healthRoutes serves the probes of an orchestrator.
type healthRoutes struct {
	httpapi.Replies
	nodes func(context.Context) []watching.Node
}

// alive serves GET /healthz: the process answers.
func (h *healthRoutes) alive(w http.ResponseWriter, _ *http.Request, _ string) error {
	return h.RawJSON(w, []byte(`{"status":"ok"}`))
}

// readiness serves GET /readyz: the service is ready when at least one node
// answers. The answer names those that don't.
func (h *healthRoutes) readiness(w http.ResponseWriter, r *http.Request, _ string) error {
	if httpapi.IsDraining(r.Context()) {
		return problem.Unavailable("draining", "The service is stopping.", 1)
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
		f := problem.Unavailable("not_ready", "No node of the store answers.", 1)
		f.Reasons = answer.Reasons
		return f
	}
	return h.JSON(w, answer)
}
