package request

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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
//
// The body is not used after the call. The names in the result share one copy of it, so what
// keeps a name for longer than the request clones it.
func Visits(body []byte) ([]Visit, error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	isArray := bytes.HasPrefix(body, []byte("["))
	if !isArray && !bytes.HasPrefix(body, []byte("{")) {
		return nil, badBody("The body is neither a JSON array nor NDJSON.")
	}
	items := min(bytes.Count(body, []byte("{")), MaxItems) // at least, unless many are bad
	b := &bulk{body: body, text: string(body), visits: make([]Visit, 0, items), lenient: lenient()}
	if isArray {
		return b.readArray()
	}
	return b.readLines()
}

// bulk reads the items of a body in one pass. An item that is plain, as nearly all are, is read by its
// tokens, without a value of its own in the heap. Any other is read by readVisit.
type bulk struct {
	body    []byte
	text    string // the same; names are parts of it
	visits  []Visit
	decoder jsontext.Decoder
	start   int          // in the body, of what the decoder reads
	lenient json.Options // of the decoder
	strict  json.Options // of readVisit; nil before the first such item
	buffer  bytes.Buffer
	scratch [counting.MaxPageBytes]byte
}

// read has the decoder read a part of the body.
func (b *bulk) read(start, end int) {
	// A decoder reads the bytes of a bytes.Buffer where they are.
	b.buffer = *bytes.NewBuffer(b.body[start:end])
	b.start = start
	b.decoder.Reset(&b.buffer, b.lenient)
}

// at is where the decoder is in the body: after the last token.
func (b *bulk) at() int { return b.start + int(b.decoder.InputOffset()) }

func (b *bulk) readArray() ([]Visit, error) {
	malformed := badBody("The body is not a JSON array.")
	b.read(0, len(b.body))
	_, _ = b.decoder.ReadToken() // the bracket
	for b.decoder.PeekKind() != ']' {
		if len(b.visits) == MaxItems {
			if !isJSON(b.body) {
				return nil, malformed
			}
			return nil, tooManyItems(MaxItems)
		}
		if !b.next() {
			return nil, malformed
		}
	}
	_, _ = b.decoder.ReadToken()
	if !b.ends() {
		return nil, malformed
	}
	return b.visits, nil
}

// readLines reads every line by itself, but a body in which no line is JSON is
// not NDJSON.
func (b *bulk) readLines() ([]Visit, error) {
	valid, end := false, 0
	for line := range bytes.Lines(b.body) {
		start := end
		end += len(line)
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		n := len(b.visits)
		if n == MaxItems {
			return nil, tooManyItems(MaxItems)
		}
		start += bytes.Index(b.body[start:end], line)
		b.read(start, start+len(line))
		if b.next() && b.ends() {
			valid = true
			continue
		}
		b.visits = append(b.visits[:n], Visit{Err: problem.BadRequest("bad_item", "The line is not JSON.")})
	}
	if !valid {
		return nil, badBody("No line of the body is JSON.")
	}
	return b.visits, nil
}

// ends tells whether nothing follows.
func (b *bulk) ends() bool {
	_, err := b.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}

// next reads one more item. It is false if there is none, or no JSON.
func (b *bulk) next() bool {
	if b.decoder.PeekKind() != '{' {
		text, err := b.decoder.ReadValue()
		return err == nil && b.add(text)
	}
	_, _ = b.decoder.ReadToken() // the brace
	start, depth := b.at()-1, b.decoder.StackDepth()
	if v, plain := b.readPlain(); plain {
		b.visits = append(b.visits, v)
		return true
	}
	for b.decoder.StackDepth() >= depth {
		if _, err := b.decoder.ReadToken(); err != nil {
			return false
		}
	}
	return b.add(b.body[start:b.at()])
}

// add reads an item that is not plain from its text, which is JSON. It is true.
func (b *bulk) add(text []byte) bool {
	if b.strict == nil {
		b.strict = strict()
	}
	b.visits = append(b.visits, readVisit(text, b.strict))
	return true
}

// readPlain reads the fields of an object, and its end. It is false for an object that has another field, one
// twice, or a value that is none: readVisit says what is wrong with it. It may have read a part then.
func (b *bulk) readPlain() (v Visit, plain bool) {
	v.Count = 1
	named, counted := false, false
	for b.decoder.PeekKind() == '"' {
		field, _ := b.decoder.ReadValue() // nil after an error
		ok := false
		switch string(field) {
		case `"page_id"`:
			ok = !named && b.readName(&v)
			named = true
		case `"count"`:
			ok = !counted && b.readCount(&v)
			counted = true
		}
		if !ok {
			return v, false
		}
	}
	if _, err := b.decoder.ReadToken(); err != nil { // not the brace
		return v, false
	}
	var err error
	v.Page, err = counting.ParsePage(v.Name) // without a name it is bad
	return v, err == nil
}

func (b *bulk) readName(v *Visit) bool {
	raw, err := b.decoder.ReadValue()
	if err != nil || raw.Kind() != '"' {
		return false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		end := b.at() - 1
		v.Name = b.text[end+2-len(raw) : end]
		return true
	}
	unquoted, err := jsontext.AppendUnquote(b.scratch[:0], raw)
	v.Name = string(unquoted)
	return err == nil
}

// readCount leaves 0 and less to readVisit. Of what JSON has, ParseInt takes integers alone.
func (b *bulk) readCount(v *Visit) bool {
	raw, err := b.decoder.ReadValue()
	if err != nil {
		return false
	}
	v.Count, err = strconv.ParseInt(string(raw), 10, 64)
	return err == nil && v.Count >= 1
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
