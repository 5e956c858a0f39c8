package request_test

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// reference reads a bulk as request.Visits has to: in several passes, each item into a struct.
func reference(body []byte) ([]request.Visit, error) {
	bad := func(detail string) error { return problem.BadRequest("bad_body", detail) }
	tooMany := problem.TooLarge("The body has more than 2000 items.")
	body = bytes.TrimLeft(body, " \t\r\n")
	visits := []request.Visit{}
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		var items []jsontext.Value
		if json.Unmarshal(body, &items, lenient()) != nil {
			return nil, bad("The body is not a JSON array.")
		}
		if len(items) > request.MaxItems {
			return nil, tooMany
		}
		for _, text := range items {
			visits = append(visits, referenceItem(text))
		}
		return visits, nil
	case !bytes.HasPrefix(body, []byte("{")):
		return nil, bad("The body is neither a JSON array nor NDJSON.")
	}
	valid := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case len(visits) == request.MaxItems:
			return nil, tooMany
		case jsontext.Value(line).IsValid(lenient()):
			valid = true
			visits = append(visits, referenceItem(line))
		default:
			visits = append(visits, request.Visit{Err: problem.BadRequest("bad_item", "The line is not JSON.")})
		}
	}
	if !valid {
		return nil, bad("No line of the body is JSON.")
	}
	return visits, nil
}

func lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// referenceItem reads one item from text that is JSON.
func referenceItem(text []byte) request.Visit {
	bad := func(code, detail string) error { return problem.BadRequest(code, detail) }
	item := struct {
		PageID string `json:"page_id"`
		Count  int64  `json:"count"`
	}{Count: 1}
	notNull := json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, _ any) error {
		if dec.PeekKind() == 'n' {
			return errors.New("null")
		}
		return errors.ErrUnsupported
	}))
	err := json.Unmarshal(text, &item, json.RejectUnknownMembers(true), notNull)
	var at jsontext.Pointer
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.JSONPointer
	} else if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at = e.JSONPointer
	}
	const badCount = "A count is an integer from 1 to 2^63-1, without fraction or exponent."
	switch {
	case err == nil && item.Count < 1:
		err = bad("bad_count", badCount)
	case err == nil:
	case !utf8.Valid(text):
		err = bad("bad_item", "The item is not valid UTF-8.")
	case jsontext.Value(text).Kind() != '{':
		err = bad("bad_item", "The item is not an object.")
	case at == "", errors.Is(err, json.ErrUnknownName), errors.Is(err, jsontext.ErrDuplicateName):
		err = bad("bad_item", "The item may have page_id and count, each once, and no other field.")
	case at == "/count", strings.HasPrefix(string(at), "/count/"):
		err = bad("bad_count", badCount)
	default:
		err = bad("bad_page_id", "A page id is a string without half of a surrogate pair.")
	}
	v := request.Visit{Visit: counting.Visit{Count: item.Count}, Name: item.PageID, Err: err}
	if err == nil {
		v.Page, v.Err = request.Page(v.Name)
	}
	return v
}
