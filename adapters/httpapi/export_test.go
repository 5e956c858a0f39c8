package httpapi

import (
	"net/http"

	"github.com/gorilla/mux"
)

// Routes are the methods and templates that h has registered.
func Routes(h *Handler) []string {
	var names []string
	_ = h.router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		names = append(names, r.GetName())
		return nil
	})
	return names
}

// Clients is how many clients the rate limit of h remembers.
func Clients(h *Handler) int { return len(h.limit.clients) + len(h.limit.before) }

// Conn is the connection of a caller.
type Conn = conn

// NewConn makes one.
var NewConn = newConn

// Ignore makes reads end with nothing, until Heed.
func (c *conn) Ignore() { c.pauseBackgroundRead() }

// Heed ends Ignore.
func (c *conn) Heed() { c.resumeBackgroundRead() }

// AdminRoutes are those of the admin listener.
func AdminRoutes(h http.Handler) []string { return Routes(h.(*guard).next) }
