package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// maxChange is the largest body of a change of the ring.
const maxChange = 4096

// ringRoutes serves what is about the ring.
type ringRoutes struct {
	replies
	ring Ring
}

// status serves GET /ring.
func (g *ringRoutes) status(w http.ResponseWriter, r *http.Request, _ string) error {
	return g.json(w, g.ring.Status(r.Context()))
}

// owner serves GET /ring/owner.
func (g *ringRoutes) owner(w http.ResponseWriter, r *http.Request, _ string) error {
	given, _, err := oneParam(r.URL.RawQuery, "page_id")
	if err != nil {
		return err
	}
	page, err := counting.ParsePage(given)
	if err != nil {
		return err
	}
	id, arc := g.ring.Owner(page)
	return g.json(w, struct {
		Page counting.Page   `json:"page_id"`
		Node counting.NodeID `json:"node"`
		Arc  counting.Arc    `json:"arc"`
	}{page, id, arc})
}

// changeJSON is the body of any change.
type changeJSON struct {
	Addr       string `json:"addr"`
	Weight     *int   `json:"weight"`
	DryRun     bool   `json:"dry_run"`
	AcceptLoss bool   `json:"accept_loss"`
	// Also are other nodes that are given up at once.
	Also []string `json:"also"`
}

// change reads the body of a change; only where it is optional it may be
// missing, and then needs no type.
func change(r *http.Request, optional bool) (changeJSON, error) {
	var c changeJSON
	body, err := io.ReadAll(io.LimitReader(r.Body, maxChange+1))
	if err != nil {
		return c, badRequest("bad_body", "The body broke off.")
	}
	if len(body) > maxChange {
		return c, tooLarge("A change has at most 4 KiB.")
	}
	kind := r.Header.Get("Content-Type")
	if optional && len(body) == 0 && kind == "" {
		return c, nil
	}
	// A page of another origin can't send this type unasked.
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
		return c, fault{status: http.StatusUnsupportedMediaType, code: "not_json", detail: "A change of the ring is sent as application/json."}
	}
	if optional && len(body) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, badRequest("bad_body", "The body is no JSON object with the fields of this change.")
	}
	return c, nil
}

// add serves POST /ring/nodes.
func (g *ringRoutes) add(w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := change(r, false)
	if err != nil {
		return err
	}
	weight := 1
	if c.Weight != nil {
		weight = *c.Weight
	}
	if c.Addr == "" {
		return badRequest("bad_body", "addr is missing: the address of the new node.")
	}
	plan, err := g.ring.Add(r.Context(), c.Addr, weight, c.DryRun)
	return g.planned(w, plan, c.DryRun, err)
}

// reweight serves PATCH /ring/nodes/{id}.
func (g *ringRoutes) reweight(w http.ResponseWriter, r *http.Request, given string) error {
	c, err := change(r, false)
	if err != nil {
		return err
	}
	if c.Weight == nil {
		return badRequest("bad_body", "weight is missing.")
	}
	ids, err := g.members(r, given)
	if err != nil {
		return err
	}
	plan, err := g.ring.Reweight(r.Context(), ids[0], *c.Weight, c.DryRun)
	return g.planned(w, plan, c.DryRun, err)
}

// remove serves DELETE /ring/nodes/{id}.
func (g *ringRoutes) remove(w http.ResponseWriter, r *http.Request, given string) error {
	c, err := change(r, true)
	if err != nil {
		return err
	}
	ids, err := g.members(r, append([]string{given}, c.Also...)...)
	switch {
	case err != nil:
		return err
	case c.AcceptLoss && c.DryRun:
		return badRequest("bad_body", "accept_loss goes without dry_run: what is lost can't be told before.")
	case len(c.Also) > 0 && !c.AcceptLoss:
		return badRequest("bad_body", "Only nodes that are given up go several at once: accept_loss is missing.")
	case c.AcceptLoss:
		plan, err := g.ring.Abandon(r.Context(), ids...)
		return g.planned(w, plan, false, err)
	}
	plan, err := g.ring.Remove(r.Context(), ids[0], c.DryRun)
	return g.planned(w, plan, c.DryRun, err)
}

// members are the ids of members of the ring, each once.
func (g *ringRoutes) members(r *http.Request, given ...string) ([]counting.NodeID, error) {
	nodes := g.ring.Status(r.Context()).Nodes
	var ids []counting.NodeID
	for _, id := range given {
		if !slices.ContainsFunc(nodes, func(n sharding.MemberStatus) bool { return string(n.ID) == id }) {
			return nil, notFound("no_such_node", "There is no node of this id in the ring.")
		}
		if !slices.Contains(ids, counting.NodeID(id)) {
			ids = append(ids, counting.NodeID(id))
		}
	}
	return ids, nil
}

// repair serves POST /ring/repair.
func (g *ringRoutes) repair(w http.ResponseWriter, r *http.Request, _ string) error {
	if _, err := change(r, true); err != nil {
		return err
	}
	if err := g.ring.Repair(r.Context()); err != nil {
		return ringFault(err)
	}
	return g.status(w, r, "")
}

// planned answers with what a change moves.
func (g *ringRoutes) planned(w http.ResponseWriter, p sharding.Plan, dry bool, err error) error {
	if err != nil {
		return ringFault(err)
	}
	return g.json(w, struct {
		sharding.Plan
		DryRun bool `json:"dry_run"`
	}{p, dry})
}

// ringFault says more than callers of the public listener are told: an operator
// has to know which node it is.
func ringFault(err error) error {
	f := faultOf(err, true)
	switch {
	case errors.Is(err, counting.ErrUnavailable):
		f.detail = "Nothing was changed: " + err.Error()
	case f.code == "in_doubt":
		f.detail = "It is not known whether the change was made; GET /ring tells: " + err.Error()
	}
	return f
}
