package public

import (
	"cmp"
	"encoding/json"
	"net/http"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// bulkResult is one result of POST /visits.
type bulkResult struct {
	PageID string `json:"page_id"`
	// Status is success, failed (not counted), or in_doubt.
	Status string `json:"status"`
	*problem.Item
}

// recordMany serves POST /visits. The body is checked as a whole
// before anything is counted. The answer is 200 with a result per item, unless
// each visit is refused for now.
func (a *api) recordMany(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if err := a.refuseOtherSites(r); err != nil {
		return nil, err
	}
	client, body := a.client(r), httpapi.Body(r)
	if err := a.Bulks.Acquire(client, 1); err != nil {
		return nil, err
	}
	defer a.Bulks.Release(client, 1)
	items, err := request.Visits(body)
	if err != nil {
		return nil, err
	}
	err = a.recordItems(r, body, items)
	for _, item := range items {
		a.items.note(visitItem, item.Count, cmp.Or(item.Err, err))
	}
	if err != nil {
		return nil, err
	}
	results := make([]bulkResult, len(items))
	for i, item := range items {
		a.logUnexpected(w, r, item.Err, true)
		a.noteOverflow(item.Page, item.Err)
		results[i] = bulkResultOf(item)
	}
	return json.Marshal(struct {
		Results []bulkResult `json:"results"`
	}{results})
}

// recordItems bounds the items, records those without an error, once if the request has a
// key, and gives the others theirs. Its error is about all of them.
func (a *api) recordItems(r *http.Request, body []byte, items []request.Visit) error {
	if err := a.checkItems(r, len(items)); err != nil {
		return err
	}
	// Keys of items go by their numbers among the valid ones. Other instances may have
	// other bounds, so with a key the bound refuses all of them.
	if bounded := a.boundCounts(items); bounded != nil && len(r.Header[keyHeader]) > 0 {
		return bounded
	}
	visits := make([]counting.Visit, 0, len(items))
	origin := make([]int, 0, len(items)) // index of each visit in items
	for i := range items {
		if items[i].Err == nil {
			visits, origin = append(visits, items[i].Visit), append(origin, i)
		}
	}
	var errs []error
	if keys := r.Header[keyHeader]; len(keys) > 0 {
		var err error
		if errs, err = a.recordOnce(r, keys, "visits", body, visits); err != nil {
			return err
		}
	} else if len(visits) > 0 {
		errs = a.Visits.RecordAll(r.Context(), visits)
	}
	for i, at := range origin {
		items[at].Err = errs[i]
	}
	return problem.AllRefused(errs, true)
}

func bulkResultOf(item request.Visit) bulkResult {
	result := bulkResult{PageID: request.Echo(item.Name), Status: "success"}
	if item.Err != nil {
		f := problem.Of(item.Err, true)
		result.Status, result.Item = "failed", f.Item()
		if f.InDoubt() {
			result.Status = "in_doubt"
		}
	}
	return result
}
