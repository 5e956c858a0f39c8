package request

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
)

// The limits of a body with many items.
const (
	MaxItems = 2000
	MaxBytes = 2 << 20
)

// Visit is one item of a bulk: a visit, or why it is none.
type Visit struct {
	counting.Visit
	// Name is the page id as it was sent; empty unless it was a string.
	Name string
	Err  error
}

// Visits reads a JSON array, or NDJSON, of items such as
// {"page_id":"home","count":3}. Its error is about the whole body; an item that
// is wrong by itself has its own: bad_item, bad_page_id or bad_count.
func Visits(body []byte) ([]Visit, error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		visits, options := []Visit{}, strict()
		err := Array(body, MaxItems, func(text []byte) error {
			visits = append(visits, readVisit(text, options))
			return nil
		})
		return visits, err
	case bytes.HasPrefix(body, []byte("{")):
		return readLines(body)
	}
	return nil, badBody("The body is neither a JSON array nor NDJSON.")
}

// readVisit reads an item from text, which is valid JSON.
func readVisit(text []byte, options json.Options) Visit {
	item := struct {
		PageID string `json:"page_id"`
		Count  int64  `json:"count"`
	}{Count: 1}
	err := readObject(text, "item", &item, options)
	bad, isBad := errors.AsType[BadValue](err)
	switch {
	case isBad && bad.Field == "count", err == nil && item.Count < 1:
		err = problem.BadRequest("bad_count", "A count is an integer from 1 to 2^63-1, without fraction or exponent.")
	case isBad:
		err = problem.BadRequest("bad_page_id", "A page id is a string without half of a surrogate pair.")
	}
	v := Visit{Visit: counting.Visit{Count: item.Count}, Name: item.PageID, Err: err}
	if err == nil {
		v.Page, v.Err = Page(v.Name)
	}
	return v
}

// readLines reads every line by itself, but a body in which no line is JSON is
// not NDJSON.
func readLines(body []byte) ([]Visit, error) {
	var visits []Visit
	valid, options := false, strict()
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case len(visits) == MaxItems:
			return nil, tooManyItems(MaxItems)
		case isJSON(line):
			valid = true
			visits = append(visits, readVisit(line, options))
		default:
			visits = append(visits, Visit{Err: problem.BadRequest("bad_item", "The line is not JSON.")})
		}
	}
	if !valid {
		return nil, badBody("No line of the body is JSON.")
	}
	return visits, nil
}
