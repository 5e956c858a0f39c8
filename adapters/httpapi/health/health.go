// Package health says on both listeners whether the process lives, and whether it is ready.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/watching"
)

// The paths of the routes.
const (
	alivePath = "/healthz"
	readyPath = "/readyz"
)

// Is reports whether a path is that of a route.
func Is(path string) bool { return path == alivePath || path == readyPath }

// Routes are those of health. nodes asks the nodes of the ring whether they answer: the
// service can serve when one does. It is called with a deadline.
func Routes(nodes func(context.Context) []watching.Node) []httpapi.Route {
	return []httpapi.Route{
		{Method: http.MethodGet, Path: alivePath, Do: alive, Vital: true},
		{Method: http.MethodGet, Path: readyPath, Do: readiness(nodes), Vital: true},
	}
}

// readyTime bounds a check of readiness.
const readyTime = 2 * time.Second

// alive serves GET /healthz: the process answers.
func alive(_ http.ResponseWriter, _ *http.Request, _ string) ([]byte, error) {
	return []byte(`{"status":"ok"}`), nil
}

// readiness serves GET /readyz: the service is ready when at least one node
// answers, and its listener does not drain.
func readiness(nodes func(context.Context) []watching.Node) httpapi.Action {
	return func(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
		if httpapi.IsDraining(r.Context()) {
			return nil, problem.Unavailable("draining", "The service is stopping.", 1)
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		return ready(nodes(ctx))
	}
}

// ready names the nodes that don't answer, and says why where they do.
func ready(nodes []watching.Node) ([]byte, error) {
	answer := struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{Status: "ready", Reasons: reasons(nodes)}
	if !slices.ContainsFunc(nodes, func(n watching.Node) bool { return n.Answers }) { // also if there are no nodes yet
		f := problem.Unavailable("not_ready", "No node of the store answers.", 1)
		f.Reasons = answer.Reasons
		return nil, f
	}
	return json.Marshal(answer)
}
