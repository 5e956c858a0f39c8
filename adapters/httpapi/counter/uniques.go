package counter

import (
	"errors"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// EndpointHeader is refused in the answer to an id that counts without its endpoint.
const EndpointHeader = "X-Footfall-Endpoint"

// accept serves GET /api/verve/accept.
func (c *Counter) accept(r Request, _ string) ([]byte, error) {
	id, endpoint, err := request.IDEvent(r.Query)
	kept := true
	if err == nil && endpoint != "" {
		err = c.refuseOtherSites(r)
	}
	if err == nil {
		kept, err = c.IDs.Accept(r.Context, r.Client, id, endpoint)
	}
	if err != nil {
		c.logRefusal(r.Query, err)
		return nil, err
	}
	if !kept {
		r.Answer.Set(EndpointHeader, "refused")
		c.shares.Do(func() {
			c.Log.Warn("endpoints are refused: a client or a host has its share, ids count", "host", request.EndpointHost(r.Query))
		})
	}
	return c.ok, nil
}

// logRefusal logs why an id is refused because of its endpoint: callers see only
// a code. All callers together cause at most one line a second. It has the host of
// the endpoint, and neither the query nor the user.
func (c *Counter) logRefusal(rawQuery string, err error) {
	f := problem.Of(err, true)
	if f.Code == "bad_id" || f.Status != 400 && f.Code != "endpoint_limit" {
		return
	}
	reason := err.Error()
	if own, ok := errors.AsType[problem.Fault](err); ok {
		reason = own.Detail
	}
	if f.Code == "unknown_parameter" { // its detail has the name, which may be a part of the endpoint's query
		reason = "the query has a parameter beside id and endpoint: a & in an endpoint is sent as %26"
	}
	c.refusals.Do(func() {
		c.Log.Info("endpoint refused", "code", f.Code, "host", request.EndpointHost(rawQuery), "reason", reason)
	})
}
