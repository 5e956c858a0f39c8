package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// ringStatus serves GET /ring.
func (h *Handler) ringStatus(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	return json.Marshal(h.Ring.Status(r.Context()))
}

// owner serves GET /ring/owner.
func (h *Handler) owner(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	given, err := request.Param(r.URL.RawQuery, "page_id")
	if err != nil {
		return nil, err
	}
	page, err := counting.ParsePage(given)
	if err != nil {
		return nil, err
	}
	return json.Marshal(h.Ring.Owner(page))
}

// addNode serves POST /ring/nodes.
func (h *Handler) addNode(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	node := struct {
		Addr   string `json:"addr"`
		Weight int64  `json:"weight"`
		DryRun bool   `json:"dry_run"`
	}{Weight: 1}
	if err := readChange(w, r, &node); err != nil {
		return nil, err
	}
	if node.Addr == "" {
		return nil, problem.BadRequest("bad_body", "addr is missing: the address of the new node.")
	}
	plan, err := h.Ring.Add(r.Context(), node.Addr, int(node.Weight), node.DryRun)
	return h.planned(w, r, plan, node.DryRun, err)
}

// changeNode serves PATCH /ring/nodes/{id}: a node gets another weight or address.
func (h *Handler) changeNode(w http.ResponseWriter, r *http.Request, given string) ([]byte, error) {
	var change struct {
		Weight *int64  `json:"weight"`
		Addr   *string `json:"addr"`
		DryRun bool    `json:"dry_run"`
	}
	if err := readChange(w, r, &change); err != nil {
		return nil, err
	}
	if (change.Weight == nil) == (change.Addr == nil) {
		return nil, problem.BadRequest("bad_body", "Want either weight or addr.")
	}
	ids, err := h.members(r, given)
	if err != nil {
		return nil, err
	}
	if change.Addr != nil {
		plan, err := h.Ring.MoveAddress(r.Context(), ids[0], *change.Addr, change.DryRun)
		return h.planned(w, r, plan, change.DryRun, err)
	}
	plan, err := h.Ring.Reweight(r.Context(), ids[0], int(*change.Weight), change.DryRun)
	return h.planned(w, r, plan, change.DryRun, err)
}

// removeNode serves DELETE /ring/nodes/{id}; also are other nodes to abandon in the
// same change.
func (h *Handler) removeNode(w http.ResponseWriter, r *http.Request, given string) ([]byte, error) {
	var change struct {
		DryRun     bool     `json:"dry_run"`
		AcceptLoss bool     `json:"accept_loss"`
		Also       []string `json:"also"`
	}
	if err := readOptional(w, r, &change); err != nil {
		return nil, err
	}
	ids, err := h.members(r, append([]string{given}, change.Also...)...)
	switch {
	case err != nil:
		return nil, err
	case len(change.Also) > 0 && !change.AcceptLoss:
		return nil, problem.BadRequest("bad_body", "Several nodes can be removed in one change only when they are abandoned: accept_loss is missing.")
	case change.AcceptLoss:
		plan, err := h.Ring.Abandon(r.Context(), change.DryRun, ids...)
		return h.planned(w, r, plan, change.DryRun, err)
	}
	plan, err := h.Ring.Remove(r.Context(), ids[0], change.DryRun)
	if errors.Is(err, counting.ErrUnavailable) {
		err = withRemedies(err, h.Ring.Status(r.Context()))
	}
	return h.planned(w, r, plan, change.DryRun, err)
}

// withRemedies adds to the refusal of a removal what an operator can do about a node that
// is away.
func withRemedies(err error, st sharding.Status) error {
	away := slices.IndexFunc(st.Nodes, func(n sharding.MemberStatus) bool { return n.Away != "" && n.State != sharding.Lost })
	if away < 0 {
		return err
	}
	n := st.Nodes[away]
	return fmt.Errorf("%w. %s is away: %s. Start its server again with its data, and nothing is lost. "+
		"Or, if its data is permanently lost, abandon it with accept_loss: %.1f%% of all pages begin at 0, and windows are lost; dry_run says which",
		err, n.ID, n.Away, 100*n.Share)
}

// members are the ids of members of the ring, each once.
func (h *Handler) members(r *http.Request, given ...string) ([]counting.NodeID, error) {
	nodes := h.Ring.Status(r.Context()).Nodes
	var ids []counting.NodeID
	for _, id := range given {
		if !slices.ContainsFunc(nodes, func(n sharding.MemberStatus) bool { return string(n.ID) == id }) {
			return nil, problem.NotFound("no_such_node", fmt.Sprintf("There is no node %.64q in the ring; its nodes are %s.", id, idsOf(nodes)))
		}
		if !slices.Contains(ids, counting.NodeID(id)) {
			ids = append(ids, counting.NodeID(id))
		}
	}
	return ids, nil
}

// idsOf are the ids of nodes, for a text.
func idsOf(nodes []sharding.MemberStatus) string {
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = string(n.ID)
	}
	return strings.Join(ids, ", ")
}

// repairRing serves POST /ring/repair.
func (h *Handler) repairRing(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if err := readOptional(w, r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := h.Ring.Repair(r.Context()); err != nil {
		return nil, ringFault(err)
	}
	h.Log.Info("ring was repaired", changed(w, r)...)
	return h.ringStatus(w, r, "")
}

// planned answers with what a change moves. It logs by whom the change was made.
func (h *Handler) planned(w http.ResponseWriter, r *http.Request, p sharding.Plan, dry bool, err error) ([]byte, error) {
	if err != nil {
		return nil, ringFault(err)
	}
	if !dry {
		h.Log.Info("ring change was requested and is made", changed(w, r, "epoch", p.Epoch, "arcs", p.Arcs, "nodes", p.Members)...)
	}
	return json.Marshal(struct {
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
