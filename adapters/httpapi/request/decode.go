package request

import (
	"bytes"
	"encoding/json"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"footfall/adapters/httpapi/problem"
)

// Fields are the fields that an object may have, each at most once.
type Fields []Field

// Field is one of them. Read takes its value over, or refuses it.
type Field struct {
	Name string
	Read func(Value) error
}

// Text is a field that is a string.
func Text(name string, to *string) Field { return into(name, to, Value.Text) }

// Int is a field that is an integer of 64 bits.
func Int(name string, to *int64) Field { return into(name, to, Value.Int) }

// Bool is a field that is true or false.
func Bool(name string, to *bool) Field { return into(name, to, Value.Bool) }

// Texts is a field that is an array of strings.
func Texts(name string, to *[]string) Field { return into(name, to, Value.Texts) }

func into[T any](name string, to *T, read func(Value) (T, error)) Field {
	return Field{name, func(v Value) (err error) {
		*to, err = read(v)
		return err
	}}
}

// IsJSON reports whether a Content-Type is JSON. A page of another origin can't
// send this type without a preflight.
func IsJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// Object reads a body that is one JSON object.
//
// Errors: bad_body for text that is not JSON, not UTF-8 or not an object, for
// anything after the object, and for an unknown or repeated field; and those of
// Read. Fields before the one that is wrong have been read by then.
func Object(body []byte, fields Fields) error {
	if !json.Valid(body) {
		return badBody("The body is not one JSON object.")
	}
	return readObject(body, "body", fields)
}

// Array reads a body that is one JSON array. It calls read with the text of each
// element, which is valid until read returns. It reads no element of a body that
// is not an array.
//
// Errors: bad_body, too_large for more than limit elements, and those of read.
func Array(body []byte, limit int, read func(text []byte) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') || !json.Valid(body) {
		return badBody("The body is not a JSON array.")
	}
	var text json.RawMessage
	for n := 0; dec.More(); n++ {
		if n == limit {
			return tooManyItems(limit)
		}
		if err := dec.Decode(&text); err != nil {
			return err // not reached: the body is valid JSON
		}
		if err := read(text); err != nil {
			return err
		}
	}
	return nil
}

func tooManyItems(limit int) error {
	return problem.TooLarge("The body has more than " + strconv.Itoa(limit) + " items.")
}

// readObject is the one decoder of all bodies. Its text is valid JSON, so that
// every token can be read. It is stricter than encoding/json, which takes the
// last of repeated fields, ignores the case of names, and replaces what is not
// Unicode: two different names must not be counted as one.
func readObject(text []byte, noun string, fields Fields) error {
	if !utf8.Valid(text) {
		return problem.BadRequest("bad_"+noun, "The "+noun+" is not valid UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if start, _ := dec.Token(); start != json.Delim('{') {
		return problem.BadRequest("bad_"+noun, "The "+noun+" is not an object.")
	}
	var seen uint64
	for dec.More() {
		name, _ := dec.Token()
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
		if i < 0 || seen&(1<<i) != 0 {
			return problem.BadRequest("bad_"+noun, fields.rule(noun))
		}
		seen |= 1 << i
		token, _ := dec.Token()
		if err := fields[i].Read(Value{fields[i].Name, token, text, dec}); err != nil {
			return err
		}
	}
	return nil
}

// rule says which fields an object may have.
func (f Fields) rule(noun string) string {
	if len(f) == 0 {
		return "The " + noun + " may have no field."
	}
	names := make([]string, len(f))
	for i := range f {
		names[i] = f[i].Name
	}
	return "The " + noun + " may have " + strings.Join(names, " and ") + ", each once, and no other field."
}

// Value is the value of a field. Its methods return bad_body for a value of
// another type.
type Value struct {
	name  string
	token json.Token
	text  []byte // the object that it is in
	dec   *json.Decoder
}

// Text is a string. One that has half of a surrogate pair is refused.
func (v Value) Text() (string, error) {
	s, ok := v.token.(string)
	if !ok {
		return "", badBody(v.name + " is a string.")
	}
	if strings.ContainsRune(s, utf8.RuneError) && hasHalfPair(v.text) {
		return "", badBody(v.name + " has half of a surrogate pair.")
	}
	return s, nil
}

// Int is an integer of 64 bits, without fraction or exponent.
func (v Value) Int() (int64, error) {
	if number, ok := v.token.(json.Number); ok {
		if n, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, badBody(v.name + " is an integer of 64 bits.")
}

// Bool is true or false.
func (v Value) Bool() (bool, error) {
	b, ok := v.token.(bool)
	if !ok {
		return false, badBody(v.name + " is true or false.")
	}
	return b, nil
}

// Texts is an array of strings.
func (v Value) Texts() ([]string, error) {
	if v.token != json.Delim('[') {
		return nil, badBody(v.name + " is an array of strings.")
	}
	var all []string
	for v.dec.More() {
		v.token, _ = v.dec.Token()
		one, err := v.Text()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	_, _ = v.dec.Token() // the bracket
	return all, nil
}

func badBody(detail string) error { return problem.BadRequest("bad_body", detail) }

// Of valid JSON, whole matches escaped backslashes and escapes of surrogate
// pairs, and half escapes of surrogates.
var (
	whole = regexp.MustCompile(`(?i)\\\\|\\ud[89ab]..\\ud[c-f]`)
	half  = regexp.MustCompile(`(?i)\\ud[89a-f]`)
)

// hasHalfPair reports whether valid JSON has an escape such as \udcff, which is
// half of a surrogate pair without its other half. encoding/json replaces it by
// U+FFFD.
func hasHalfPair(text []byte) bool { return half.Match(whole.ReplaceAll(text, nil)) }
