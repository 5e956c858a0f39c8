package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// maxLine bounds a line of an import, in bytes. Lines of an export are shorter.
const maxLine = 1 << 20

var (
	errTooLong = fmt.Errorf("it has more than %d bytes", maxLine)
	errUTF16   = errors.New("the file is UTF-16, want UTF-8")
	errNotLine = errors.New(`want {"page_id":"home","count":12}, or CSV whose first line is page,count`)
)

// exportLine is a line of an export: a page with its count, null if the count
// can't be read, and its history if that was wanted.
type exportLine struct {
	PageID  string          `json:"page_id"`
	Count   *int64          `json:"count"`
	History *timeline.Saved `json:"history,omitempty"`
}

// nextLine returns a line without its end, and errTooLong after a line that has more
// than the buffer of lines. The next line is the one behind it. Other errors are those
// of reading.
func nextLine(lines *bufio.Reader) ([]byte, error) {
	line, more, err := lines.ReadLine()
	if !more || err != nil {
		return line, err
	}
	for more && err == nil {
		_, more, err = lines.ReadLine()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return nil, errTooLong
}

// parseLine reads a line. Its error says why the service would refuse it: one such line
// would make it refuse all lines of a request. A line whose count is null is no error.
//
// It is as strict as the service. Package encoding/json would replace what is not
// Unicode, so two different names would be one page; it takes the last of two equal
// fields, and ignores fields that it does not know.
func parseLine(text []byte) (line exportLine, err error) {
	err = json.Unmarshal(text, &line, json.RejectUnknownMembers(true))
	if err != nil {
		return line, explain(text, err)
	}
	if line.Count == nil && line.PageID != "" {
		return line, nil
	}
	if _, err := counting.ParsePage(line.PageID); err != nil {
		return line, err
	}
	if *line.Count < 0 {
		return line, errBadCount
	}
	if line.History != nil {
		_, err = line.History.Pack(*line.Count, time.Now())
	}
	return line, err
}

var errBadCount = errors.New("count is not an integer from 0 to 2^63-1")

// explain says what is wrong with a line that can't be decoded.
func explain(text []byte, err error) error {
	lenient := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch {
	case !utf8.Valid(text):
		return errors.New("it is not valid UTF-8")
	case !lenient || jsontext.Value(text).Kind() != '{':
		return errNotLine
	}
	name := fieldOf(err)
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("it has the unknown field %q", name)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("it has the field %q twice", name)
	case name == "count":
		return errBadCount
	case name == "page_id":
		return errors.New("page_id is not a string of Unicode characters")
	}
	return errors.New("its fields are not page_id, count and history as an export has them")
}

// fieldOf returns the name of the field that an error of the json package is about.
func fieldOf(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.JSONPointer.LastToken()
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return e.JSONPointer.LastToken()
	}
	return ""
}

// withoutMark removes the byte order mark with which some editors begin a file.
func withoutMark(first []byte) ([]byte, error) {
	if bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff")) {
		return nil, errUTF16
	}
	return bytes.TrimPrefix(first, []byte("\ufeff")), nil
}
