package counter

import (
	"strconv"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// keyHeader names a request that is counted once; nearly none has it.
const keyHeader = "Idempotency-Key"

// maxVisitBody is the largest JSON body of record, in bytes.
const maxVisitBody = 4096

// record serves POST /visit/{page_id}. A body is ignored, unless it is JSON with a field,
// such as a count: that would have no effect.
func (c *Counter) record(r Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	if len(r.Body) > 0 {
		if err := request.Object(r.Body, &struct{}{}); err != nil {
			return nil, err
		}
	}
	if err := c.recordPage(r, page); err != nil {
		c.noteOverflow(page, err)
		return nil, err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"status":"success","message":"Visit recorded for page `...)
	body = problem.AppendEscaped(body, string(page))
	return append(body, `"}`...), nil
}

// recordPage records one visit, once if the request has a key.
func (c *Counter) recordPage(r Request, page counting.Page) error {
	keys := r.Header.Values(keyHeader)
	if len(keys) == 0 {
		return c.Visits.Record(r.Context, page, 1)
	}
	if err := c.refuseOtherSites(r); err != nil {
		return err
	}
	errs, err := c.recordOnce(r, keys, "visit", []byte(page), []counting.Visit{{Page: page, Count: 1}})
	if err != nil {
		return err
	}
	return errs[0]
}

// recordOnce records the visits of a request with keys: the values of keyHeader. It
// returns an error for each visit, or one of all of them.
func (c *Counter) recordOnce(r Request, keys []string, kind string, payload []byte, visits []counting.Visit) ([]error, error) {
	key, err := request.Key(keys, kind, payload)
	if err != nil || len(visits) == 0 {
		return nil, err
	}
	client, costs := r.Client, limits.Costs{Requests: 1, Records: 1 + int64(len(visits))}
	day, err := c.Keys.Take(client, key.Key, costs)
	if err != nil {
		return nil, err
	}
	errs, err := c.Visits.RecordOnce(r.Context, key, visits)
	if day != 0 && err != nil {
		c.Keys.Back(day, client, key.Key, costs)
	}
	return errs, err
}

// read serves GET /visits/{page_id}.
func (c *Counter) read(r Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	reading := c.Visits.Read(r.Context, []counting.Page{page})[0]
	if reading.Err != nil {
		return nil, reading.Err
	}
	body := make([]byte, 0, 128)
	body = append(body, `{"page_id":"`...)
	body = problem.AppendEscaped(body, string(page))
	body = append(body, `","visits":`...)
	body = strconv.AppendInt(body, reading.Visits, 10)
	body = append(body, `,"served_via":"`...)
	body = problem.AppendEscaped(body, string(reading.Via))
	return append(body, `"}`...), nil
}

// CheckItems counts the items of a request for the rate limit of its client.
func (c *Counter) CheckItems(r Request, items int) error {
	return c.Clients.CheckItems(r.Addr, r.Header.Values("X-Forwarded-For"), items)
}

// LogUnexpected logs the error of an item whose text the caller doesn't see.
func (c *Counter) LogUnexpected(r Request, err error, write bool) {
	if err != nil && problem.Of(err, write).Unexpected {
		c.Log.Error("item of a http request failed", append(request.LogIDs(r.Answer, r.Header), "error", err)...)
	}
}
