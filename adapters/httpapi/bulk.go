package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"footfall/domain/counting"
)

const (
	maxBulkItems = 2000
	maxBulkBytes = 2 << 20
	// bulkShare: of so many requests in flight, one may be a bulk.
	bulkShare = 32
)

// bulkResult is one result of POST /visits.
type bulkResult struct {
	PageID string `json:"page_id"`
	// Status is success, failed (not counted), or in_doubt.
	Status string `json:"status"`
	*itemError
}

// recordMany serves POST /visits. The body is read and checked as a whole
// before anything is counted. The answer is 200 with a result per item, unless
// the service refuses for now every item that it was asked to count.
func (v *visitRoutes) recordMany(w http.ResponseWriter, r *http.Request, _ string) error {
	if !v.bulk.enter() {
		return unavailable("overloaded", "Too many bulk requests at once; this one changed nothing.", 1)
	}
	defer v.bulk.leave()
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	items, err := parseBulk(body)
	if err != nil {
		return err
	}
	once, err := onceOfBulk(r, body)
	if err != nil {
		return err
	}
	visits := make([]counting.Visit, 0, len(items))
	origin := make([]int, 0, len(items)) // index of each visit in items
	for i := range items {
		if items[i].err == nil {
			visits, origin = append(visits, items[i].visit), append(origin, i)
		}
	}
	if len(visits) > 0 {
		errs, err := v.recordAll(r.Context(), once, visits)
		if err != nil {
			return err
		}
		for i, at := range origin {
			items[at].err = errs[i]
		}
		if err := refusedWhole(errs, true); err != nil {
			return err
		}
	}
	results := make([]bulkResult, len(items))
	for i := range items {
		v.logSurprise(w, r, items[i].err, true)
		results[i] = bulkResultOf(&items[i])
	}
	return v.json(w, struct {
		Results []bulkResult `json:"results"`
	}{results})
}

func bulkResultOf(item *bulkItem) bulkResult {
	result := bulkResult{PageID: echo(item.name), Status: "success"}
	if item.err != nil {
		f := faultOf(item.err, true)
		result.Status, result.itemError = "failed", itemErrorOf(f)
		if f.status == http.StatusGatewayTimeout {
			result.Status = "in_doubt"
		}
	}
	return result
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	over := tooLarge("The body has more than " + strconv.Itoa(maxBulkBytes) + " bytes.")
	if r.ContentLength > maxBulkBytes {
		return nil, over
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBulkBytes))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, over
	case err != nil:
		return nil, badRequest("bad_body", "The body could not be read to its end.")
	}
	return body, nil
}

// parseBulk reads a JSON array, or NDJSON, of items. Its error is about the
// whole body; an item that is wrong by itself has its own.
func parseBulk(body []byte) ([]bulkItem, error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		return parseArray(body)
	case bytes.HasPrefix(body, []byte("{")):
		return parseLines(body)
	}
	return nil, badRequest("bad_body", "The body is neither a JSON array nor NDJSON.")
}

func parseArray(body []byte) ([]bulkItem, error) {
	malformed := badRequest("bad_body", "The body is not a JSON array.")
	if !json.Valid(body) {
		return nil, malformed
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if _, err := dec.Token(); err != nil { // the bracket
		return nil, malformed
	}
	items := []bulkItem{}
	for dec.More() {
		if len(items) == maxBulkItems {
			return nil, tooManyItems()
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, malformed
		}
		items = append(items, parseItem(raw))
	}
	return items, nil
}

// parseLines takes every line by itself, but a body in which no line is JSON
// is no NDJSON.
func parseLines(body []byte) ([]bulkItem, error) {
	var items []bulkItem
	valid := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(items) == maxBulkItems {
			return nil, tooManyItems()
		}
		if !json.Valid(line) {
			items = append(items, bulkItem{err: badItem("The line is not JSON.")})
			continue
		}
		valid = true
		items = append(items, parseItem(line))
	}
	if !valid {
		return nil, badRequest("bad_body", "No line of the body is JSON.")
	}
	return items, nil
}
