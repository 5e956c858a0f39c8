package httpapi

import (
	"context"
	"net/http"

	"footfall/domain/counting"
)

// keyOf returns the values of the header Idempotency-Key; nearly always there
// are none.
func keyOf(r *http.Request) []string { return r.Header["Idempotency-Key"] }

// onceOf names a request that has a key. kind tells its route from others, for
// a key belongs to one request, whatever its route.
func onceOf(values []string, kind string, payload []byte) (counting.RequestKey, error) {
	if len(values) > 1 {
		return counting.RequestKey{}, badRequest("bad_idempotency_key", "The header Idempotency-Key is there more than once.")
	}
	key, err := counting.ParseKey(values[0])
	if err != nil {
		return counting.RequestKey{}, badRequest("bad_idempotency_key", err.Error())
	}
	return counting.RequestKey{Key: key, Print: counting.FingerprintOf(kind, payload)}, nil
}

// recordPage records one visit, once if the request has a key.
func (v *visitRoutes) recordPage(r *http.Request, page counting.Page) error {
	values := keyOf(r)
	if len(values) == 0 {
		return v.visits.Record(r.Context(), page, 1)
	}
	once, err := onceOf(values, "visit", []byte(page))
	if err != nil {
		return err
	}
	errs, err := v.visits.RecordOnce(r.Context(), once, []counting.Visit{{Page: page, Count: 1}})
	if err != nil {
		return err
	}
	return errs[0]
}

// recordAll records the visits of a bulk.
func (v *visitRoutes) recordAll(ctx context.Context, once *counting.RequestKey, visits []counting.Visit) ([]error, error) {
	if once == nil {
		return v.visits.RecordAll(ctx, visits), nil
	}
	return v.visits.RecordOnce(ctx, *once, visits)
}

// onceOfBulk is nil where the request has no key.
func onceOfBulk(r *http.Request, body []byte) (*counting.RequestKey, error) {
	values := keyOf(r)
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // most requests have none
	}
	once, err := onceOf(values, "visits", body)
	return &once, err
}
