package request

import (
	"bytes"
	"errors"
	"mime"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"footfall/adapters/httpapi/problem"
)

// IsJSON reports whether a Content-Type is JSON. A page of another origin can't
// send this type without a preflight.
func IsJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// BadValue is the fault bad_body of a field that is there, but has a value of
// another type.
type BadValue struct {
	problem.Fault
	Field string
}

// Unwrap returns the fault.
func (b BadValue) Unwrap() error { return b.Fault }

// Object reads a body that is one JSON object into the struct at to. Fields have
// the names of its tags, each at most once. A field that is missing keeps its
// value; null is no value of any type.
//
// Errors: BadValue; bad_body for text that is not JSON, not UTF-8 or not an
// object, for anything after the object, and for an unknown or repeated field.
// Fields before the one that is wrong have been read by then.
func Object(body []byte, to any) error { return readObject(body, "body", to, strict()) }

// Array reads a body that is one JSON array. It calls read with the text of each
// element, which is valid until read returns. It reads no element of a body that
// is not an array.
//
// Errors: bad_body, too_large for more than limit elements, and those of read.
func Array(body []byte, limit int, read func(text []byte) error) error {
	if jsontext.Value(body).Kind() != '[' || !isJSON(body) {
		return badBody("The body is not a JSON array.")
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient())
	_, _ = dec.ReadToken() // the bracket
	for n := 0; dec.PeekKind() != ']'; n++ {
		if n == limit {
			return tooManyItems(limit)
		}
		text, err := dec.ReadValue()
		if err != nil {
			return err // not reached: the body is valid JSON
		}
		if err := read(text); err != nil {
			return err
		}
	}
	return nil
}

// lenient leaves it to readObject to refuse an element of a body for the names
// and the text in it.
func lenient() jsontext.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func isJSON(text []byte) bool { return jsontext.Value(text).IsValid(lenient()) }

func tooManyItems(limit int) error {
	return problem.TooLarge("The body has more than " + strconv.Itoa(limit) + " items.")
}

// readObject is the one decoder of all bodies. It is stricter than encoding/json,
// which takes the last of repeated fields, ignores the case of names, and
// replaces what is not Unicode: two different names must not be counted as one.
func readObject(text []byte, noun string, to any, options json.Options) error {
	err := json.Unmarshal(text, to, options)
	if err == nil {
		return nil
	}
	bad := func(detail string) error { return problem.BadRequest("bad_"+noun, "The "+noun+detail) }
	field := fieldOf(err)
	switch {
	case !utf8.Valid(text):
		return bad(" is not valid UTF-8.")
	case !isJSON(text):
		return bad(" is not one JSON object.")
	case jsontext.Value(text).Kind() != '{':
		return bad(" is not an object.")
	case field == "", errors.Is(err, json.ErrUnknownName), errors.Is(err, jsontext.ErrDuplicateName):
		return bad(rule(to))
	}
	return BadValue{problem.BadRequest("bad_body", field+" is "+kindOf(field, to)+"."), field}
}

// strict makes the options of readObject. They cache what they know of a type.
func strict() json.Options {
	return json.JoinOptions(json.RejectUnknownMembers(true), json.WithUnmarshalers(json.UnmarshalFromFunc(refuseNull)))
}

// refuseNull leaves all other values to the json package, which takes null for
// a value that is missing.
func refuseNull(dec *jsontext.Decoder, _ any) error {
	if dec.PeekKind() == 'n' {
		return errors.New("null")
	}
	return errors.ErrUnsupported
}

// fieldOf returns the name of the field that an error of the json package is
// about; it is empty for the object itself.
func fieldOf(err error) string {
	var at jsontext.Pointer
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.JSONPointer
	} else if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at = e.JSONPointer
	}
	for field := range at.Tokens() {
		return field
	}
	return ""
}

// rule says which fields an object may have.
func rule(to any) string {
	var names []string
	for f := range reflect.TypeOf(to).Elem().Fields() {
		names = append(names, f.Tag.Get("json"))
	}
	if len(names) == 0 {
		return " may have no field."
	}
	return " may have " + strings.Join(names, " and ") + ", each once, and no other field."
}

// kindOf says what the value of a field is.
func kindOf(field string, to any) string {
	for f := range reflect.TypeOf(to).Elem().Fields() {
		if f.Tag.Get("json") != field {
			continue
		}
		switch kind := f.Type; {
		case kind == reflect.TypeFor[int64]() || kind == reflect.TypeFor[*int64]():
			return "an integer of 64 bits"
		case kind.Kind() == reflect.Bool:
			return "true or false"
		case kind.Kind() == reflect.Slice:
			return "an array of strings"
		}
	}
	return "a string without half of a surrogate pair"
}

func badBody(detail string) error { return problem.BadRequest("bad_body", detail) }
