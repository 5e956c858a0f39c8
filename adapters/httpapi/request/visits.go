package request

import (
	"bytes"
	"encoding/json"

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
	r := &visitReader{visits: []Visit{}}
	r.fields = Fields{{"page_id", r.pageID}, {"count", r.count}}
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		err := Array(body, MaxItems, r.read)
		return r.visits, err
	case bytes.HasPrefix(body, []byte("{")):
		return r.readLines(body)
	}
	return nil, badBody("The body is neither a JSON array nor NDJSON.")
}

// visitReader has the fields of the item that it reads, made once.
type visitReader struct {
	visits []Visit
	one    Visit
	fields Fields
}

func (r *visitReader) pageID(v Value) (err error) {
	if r.one.Name, err = v.Text(); err != nil {
		return problem.BadRequest("bad_page_id", "A page id is a string without half of a surrogate pair.")
	}
	return nil
}

func (r *visitReader) count(v Value) (err error) {
	if r.one.Count, err = v.Int(); err != nil || r.one.Count < 1 {
		return problem.BadRequest("bad_count", "A count is an integer from 1 to 2^63-1, without fraction or exponent.")
	}
	return nil
}

// read appends the item that text, which is valid JSON, has. An item that is
// wrong is no error of the body.
func (r *visitReader) read(text []byte) error {
	r.one = Visit{Visit: counting.Visit{Count: 1}}
	if r.one.Err = readObject(text, "item", r.fields); r.one.Err == nil {
		r.one.Page, r.one.Err = Page(r.one.Name)
	}
	r.visits = append(r.visits, r.one)
	return nil
}

// readLines reads every line by itself, but a body in which no line is JSON is
// not NDJSON.
func (r *visitReader) readLines(body []byte) ([]Visit, error) {
	valid := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case len(r.visits) == MaxItems:
			return nil, tooManyItems(MaxItems)
		case json.Valid(line):
			valid = true
			_ = r.read(line)
		default:
			r.visits = append(r.visits, Visit{Err: problem.BadRequest("bad_item", "The line is not JSON.")})
		}
	}
	if !valid {
		return nil, badBody("No line of the body is JSON.")
	}
	return r.visits, nil
}
