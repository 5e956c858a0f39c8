package admin

import (
	"errors"
	"net/http"
	"slices"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// ringRoutes shows and changes the ring.
type ringRoutes struct {
	httpapi.Replies
	ring Ring
}

// status serves GET /ring.
func (g *ringRoutes) status(w http.ResponseWriter, r *http.Request, _ string) error {
	return g.JSON(w, g.ring.Status(r.Context()))
}

// owner serves GET /ring/owner.
func (g *ringRoutes) owner(w http.ResponseWriter, r *http.Request, _ string) error {
	given, _, err := request.Param(r.URL.RawQuery, "page_id")
	if err != nil {
		return err
	}
	page, err := counting.ParsePage(given)
	if err != nil {
		return err
	}
	id, arc := g.ring.Owner(page)
	return g.JSON(w, struct {
		Page counting.Page   `json:"page_id"`
		Node counting.NodeID `json:"node"`
		Arc  counting.Arc    `json:"arc"`
	}{page, id, arc})
}

// add serves POST /ring/nodes.
func (g *ringRoutes) add(w http.ResponseWriter, r *http.Request, _ string) error {
	node := struct {
		Addr   string `json:"addr"`
		Weight int64  `json:"weight"`
		DryRun bool   `json:"dry_run"`
	}{Weight: 1}
	if err := readChange(w, r, &node); err != nil {
		return err
	}
	if node.Addr == "" {
		return problem.BadRequest("bad_body", "addr is missing: the address of the new node.")
	}
	plan, err := g.ring.Add(r.Context(), node.Addr, int(node.Weight), node.DryRun)
	return g.planned(w, plan, node.DryRun, err)
}

// reweight serves PATCH /ring/nodes/{id}.
func (g *ringRoutes) reweight(w http.ResponseWriter, r *http.Request, given string) error {
	var change struct {
		Weight *int64 `json:"weight"`
		DryRun bool   `json:"dry_run"`
	}
	if err := readChange(w, r, &change); err != nil {
		return err
	}
	if change.Weight == nil {
		return problem.BadRequest("bad_body", "weight is missing.")
	}
	ids, err := g.members(r, given)
	if err != nil {
		return err
	}
	plan, err := g.ring.Reweight(r.Context(), ids[0], int(*change.Weight), change.DryRun)
	return g.planned(w, plan, change.DryRun, err)
}

// remove serves DELETE /ring/nodes/{id}; also are other nodes to abandon in the
// same change.
func (g *ringRoutes) remove(w http.ResponseWriter, r *http.Request, given string) error {
	var change struct {
		DryRun     bool     `json:"dry_run"`
		AcceptLoss bool     `json:"accept_loss"`
		Also       []string `json:"also"`
	}
	if err := readOptional(w, r, &change); err != nil {
		return err
	}
	ids, err := g.members(r, append([]string{given}, change.Also...)...)
	switch {
	case err != nil:
		return err
	case change.AcceptLoss && change.DryRun:
		return problem.BadRequest("bad_body", "accept_loss and dry_run exclude each other: what will be lost isn't known before.")
	case len(change.Also) > 0 && !change.AcceptLoss:
		return problem.BadRequest("bad_body", "Several nodes can be removed in one change only when they are abandoned: accept_loss is missing.")
	case change.AcceptLoss:
		plan, err := g.ring.Abandon(r.Context(), ids...)
		return g.planned(w, plan, false, err)
	}
	plan, err := g.ring.Remove(r.Context(), ids[0], change.DryRun)
	return g.planned(w, plan, change.DryRun, err)
}

// members are the ids of members of the ring, each once.
func (g *ringRoutes) members(r *http.Request, given ...string) ([]counting.NodeID, error) {
	nodes := g.ring.Status(r.Context()).Nodes
	var ids []counting.NodeID
	for _, id := range given {
		if !slices.ContainsFunc(nodes, func(n sharding.MemberStatus) bool { return string(n.ID) == id }) {
			return nil, problem.NotFound("no_such_node", "There is no node of this id in the ring.")
		}
		if !slices.Contains(ids, counting.NodeID(id)) {
			ids = append(ids, counting.NodeID(id))
		}
	}
	return ids, nil
}

// repair serves POST /ring/repair.
func (g *ringRoutes) repair(w http.ResponseWriter, r *http.Request, _ string) error {
	if err := readOptional(w, r, &struct{}{}); err != nil {
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
	return g.JSON(w, struct {
		sharding.Plan
		DryRun bool `json:"dry_run"`
	}{p, dry})
}

// ringFault says more than a fault of the public listener: an operator has to
// know which node it is.
func ringFault(err error) error {
	f := problem.Of(err, true)
	switch {
	case errors.Is(err, counting.ErrUnavailable):
		f.Detail = "Nothing was changed: " + err.Error()
	case f.Code == "in_doubt":
		f.Detail = "It is not known whether the change was made; GET /ring shows it: " + err.Error()
	}
	return f
}
