package counter

import (
	"cmp"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// recordMany serves POST /visits. The body is checked as a whole
// before anything is counted. The answer is 200 with a result per item, unless
// each visit is refused for now.
func (c *Counter) recordMany(r Request, _ string) ([]byte, error) {
	if err := c.refuseOtherSites(r); err != nil {
		return nil, err
	}
	if err := c.Bulks.Acquire(r.Client, 1); err != nil {
		return nil, err
	}
	defer c.Bulks.Release(r.Client, 1)
	items, err := request.Visits(r.Body)
	if err != nil {
		return nil, err
	}
	err = c.recordItems(r, items)
	c.noteItems(items, err)
	if err != nil {
		return nil, err
	}
	size := len(`{"results":[]}`)
	for i := range items {
		item := &items[i]
		size += len(`{"page_id":"","status":"success"},`) + len(request.Echo(item.Name))
		if item.Err != nil {
			c.LogUnexpected(r, item.Err, true)
			c.noteOverflow(item.Page, item.Err)
		}
	}
	return appendResults(make([]byte, 0, size), items), nil
}

// noteItems counts the items by their errors, or by one of all of them.
func (c *Counter) noteItems(items []request.Visit, all error) {
	good, visits := 0, 0.0
	for i := range items {
		if err := cmp.Or(items[i].Err, all); err != nil {
			c.items.note(visitItem, 0, err)
			continue
		}
		good++
		visits += float64(items[i].Count)
	}
	c.items.of[visitItem][itemOK].Add(float64(good))
	c.items.visits.Add(visits)
}

// recordItems bounds the items, records those without an error, once if the request has a
// key, and gives the others theirs. Its error is about all of them.
func (c *Counter) recordItems(r Request, items []request.Visit) error {
	if err := c.CheckItems(r, len(items)); err != nil {
		return err
	}
	// Keys of items go by their numbers among the valid ones. Other instances may have
	// other bounds, so with a key the bound refuses all of them.
	if bounded := c.boundCounts(items); bounded != nil && len(r.Header.Values(keyHeader)) > 0 {
		return bounded
	}
	visits := make([]counting.Visit, 0, len(items))
	for i := range items {
		if items[i].Err == nil {
			visits = append(visits, items[i].Visit)
		}
	}
	var errs []error
	if keys := r.Header.Values(keyHeader); len(keys) > 0 {
		var err error
		if errs, err = c.recordOnce(r, keys, "visits", r.Body, visits); err != nil {
			return err
		}
	} else if len(visits) > 0 {
		errs = c.Visits.RecordAll(r.Context, visits)
	}
	for i, next := 0, 0; i < len(items); i++ {
		if items[i].Err == nil {
			items[i].Err = errs[next]
			next++
		}
	}
	return problem.AllRefused(errs, true)
}

// appendResults writes the answer of POST /visits, with a result for each item. Its status is success,
// failed (not counted), or in_doubt.
func appendResults(b []byte, items []request.Visit) []byte {
	b = append(b, `{"results":[`...)
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"page_id":"`...)
		b = problem.AppendEscaped(b, request.Echo(items[i].Name))
		b = append(b, `","status":"`...)
		if items[i].Err == nil {
			b = append(b, `success"}`...)
			continue
		}
		f := problem.Of(items[i].Err, true)
		if f.InDoubt() {
			b = append(b, `in_doubt"`...)
		} else {
			b = append(b, `failed"`...)
		}
		b = append(f.AppendItem(b), '}')
	}
	return append(b, "]}"...)
}
