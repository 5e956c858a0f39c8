package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/publishing"
)

// selectionJSON is which failed callbacks are meant.
type selectionJSON struct {
	// State is failed, or empty.
	State string `json:"state"`
	// Since is in RFC 3339.
	Since    string `json:"since"`
	Window   string `json:"window"`
	Endpoint string `json:"endpoint"`
	Cursor   string `json:"cursor"`
}

// parse checks the selection. The errors are faults, or wrap publishing.ErrBadEndpoint.
func (s selectionJSON) parse() (f publishing.FailedSelection, err error) {
	f = publishing.FailedSelection{Window: s.Window, Cursor: s.Cursor, Limit: publishing.MaxFailed}
	if s.State != "" && s.State != "failed" {
		return f, problem.BadRequest("bad_state", "The state of callbacks that are kept is failed.")
	}
	if s.Since != "" {
		// A + that was not sent as %2B is a space by now.
		if f.Since, err = time.Parse(time.RFC3339, strings.ReplaceAll(s.Since, " ", "+")); err != nil {
			return f, problem.BadRequest("bad_time", "The value of since is a time such as 2026-11-28T00:00:00Z.")
		}
	}
	if s.Endpoint != "" {
		f.Endpoint, err = publishing.ParseEndpoint(s.Endpoint)
	}
	return f, err
}

// listCallbacks serves GET /callbacks.
func (h *Handler) listCallbacks(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	var s selectionJSON
	for name, to := range map[string]*string{"state": &s.State, "since": &s.Since, "window": &s.Window, "endpoint": &s.Endpoint, "cursor": &s.Cursor} {
		var err error
		if *to, err = request.Param(r.URL.RawQuery, name); err != nil {
			return nil, err
		}
	}
	chosen, err := s.parse()
	if err != nil {
		return nil, err
	}
	if chosen.Limit, err = request.LimitOr(r.URL.RawQuery, publishing.MaxFailed, publishing.MaxFailed); err != nil {
		return nil, err
	}
	failed, next, err := h.Callbacks.FailedCallbacks(r.Context(), chosen)
	if err != nil {
		return nil, awayFault("Failed callbacks can't be read", err)
	}
	return marshalCallbacks(failed, next)
}

// retryCallbacks serves POST /callbacks/retry.
func (h *Handler) retryCallbacks(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	var s selectionJSON
	if err := readChange(w, r, &s); err != nil {
		return nil, err
	}
	chosen, err := s.parse()
	if err != nil {
		return nil, err
	}
	retried, next, err := h.Callbacks.RetryCallbacks(r.Context(), chosen)
	if err != nil {
		return nil, awayFault("Failed callbacks can't be read", err)
	}
	delivered := 0
	for _, c := range retried {
		if c.Result == publishing.Delivered {
			delivered++
		}
	}
	if len(retried) > 0 {
		h.Log.Info("failed callbacks were retried", changed(w, r, "callbacks", len(retried), "delivered", delivered)...)
	}
	return marshalCallbacks(retried, next)
}

func marshalCallbacks[T any](callbacks []T, next string) ([]byte, error) {
	if callbacks == nil {
		callbacks = []T{}
	}
	return json.Marshal(struct {
		Callbacks []T    `json:"callbacks"`
		Next      string `json:"next_cursor,omitempty"`
	}{callbacks, next})
}
