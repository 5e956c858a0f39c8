// Package health says on both listeners whether the process lives, and whether it is ready.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/publishing"
	"footfall/domain/watching"
)

// The paths of the routes.
const (
	alivePath = "/healthz"
	readyPath = "/readyz"
)

// Is reports whether a path is that of a route.
func Is(path string) bool { return path == alivePath || path == readyPath }

// Publisher is where counts go before the capture log.
type Publisher interface {
	// Name is that of publishing.Publisher.
	Name() string
	// Away is why it takes no reports now; nil if it does, or that is not known.
	Away() *publishing.Outage
}

// Options are what readiness depends on.
type Options struct {
	// Nodes asks the nodes of the ring whether they answer: the service can serve when one
	// does. It is called with a deadline.
	Nodes func(context.Context) []watching.Node
	// Publisher may be nil. One that is away is a reason, but the service is ready.
	Publisher Publisher
	// Waiting is since when windows wait for too long, and why; the error is nil if none
	// do. It may be nil.
	Waiting func() (since time.Time, why error)
	// Public: reasons name no address, and no error of publishers and windows.
	Public bool
}

// Routes are those of health.
func Routes(o Options) []httpapi.Route {
	return []httpapi.Route{
		{Method: http.MethodGet, Path: alivePath, Do: alive, Vital: true},
		{Method: http.MethodGet, Path: readyPath, Do: o.readiness, Vital: true},
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
func (o Options) readiness(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if httpapi.IsDraining(r.Context()) {
		return nil, problem.Unavailable("draining", "The service is stopping.", 1)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	return o.ready(o.Nodes(ctx))
}

// ready names the nodes that don't answer, and says why where they do.
func (o Options) ready(nodes []watching.Node) ([]byte, error) {
	answer := struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{Status: "ready", Reasons: slices.Concat(reasons(nodes), o.waitingReasons(), o.publisherReasons())}
	if !slices.ContainsFunc(nodes, func(n watching.Node) bool { return n.Answers }) { // also if there are no nodes yet
		f := problem.Unavailable("not_ready", "No node of the store answers.", 1)
		f.Reasons = answer.Reasons
		return nil, f
	}
	return json.Marshal(answer)
}

// waitingReasons say since when windows wait and, unless they are public, why.
func (o Options) waitingReasons() []string {
	if o.Waiting == nil {
		return nil
	}
	since, why := o.Waiting()
	if why == nil {
		return nil
	}
	if o.Public {
		return []string{"windows wait" + sinceText(since) + ": they can't be closed or published"}
	}
	return []string{fmt.Sprintf("windows wait%s: %s", sinceText(since), strings.ReplaceAll(why.Error(), "\n", "; "))}
}

// publisherReasons say since when the publisher is away and, unless they are public, where
// it is and why.
func (o Options) publisherReasons() []string {
	if o.Publisher == nil {
		return nil
	}
	away := o.Publisher.Away()
	if away == nil {
		return nil
	}
	const meanwhile = "; counts go to the capture log"
	since := sinceText(away.Since)
	if o.Public {
		return []string{fmt.Sprintf("%s is away%s%s", o.Publisher.Name(), since, meanwhile)}
	}
	return []string{fmt.Sprintf("%s at %s is away%s: %v%s", o.Publisher.Name(), away.Addr, since, away.Err, meanwhile)}
}
