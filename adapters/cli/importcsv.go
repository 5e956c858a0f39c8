package cli

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"footfall/domain/counting"
)

// errSeveralLines: reports of analytics tools may have a line for each day of a page. The
// last one would be taken for all of them.
var errSeveralLines = errors.New("its page has an earlier line; add up the lines of a page first")

var errNotUTF8 = errors.New("it is not valid UTF-8; convert the file first, such as by iconv")

// columnNames are the names of columns, in lower case. The first of each are those that
// messages ask for.
func columnNames() (page, count []string) {
	return []string{"page", "page_id", "path", "page path"}, []string{"count", "visits", "views", "pageviews", "hits"}
}

// otherColumns ends the message about a first line that is neither a page nor a header.
func otherColumns() string {
	page, count := columnNames()
	return "; page may be " + strings.Join(page[1:], ", ") + ", and count may be " + strings.Join(count[1:], ", ")
}

var errNotCSVLine = errors.New("want a page and a whole number from 0 to 2^63-1, such as home,12")

// csvColumns says where a CSV file (RFC 4180) has pages and counts.
type csvColumns struct {
	comma             rune
	page, count, most int // most is how many columns the header has
	seed              maphash.Seed
	seen              map[uint64]struct{} // hashes of the pages of earlier lines
}

// csvHeader reads the first line of a file. It is nil if that is no header with a column
// for pages and one for counts, separated by comma, semicolon or tab.
func csvHeader(line []byte) *csvColumns {
	pages, counts := columnNames()
	for _, comma := range ",;\t" {
		names, err := csvFields(line, comma)
		if err != nil {
			continue
		}
		column := func(known []string) int {
			return slices.IndexFunc(names, func(name string) bool { return slices.Contains(known, strings.ToLower(strings.TrimSpace(name))) })
		}
		if page, count := column(pages), column(counts); page >= 0 && count >= 0 {
			return &csvColumns{comma, page, count, len(names), maphash.MakeSeed(), make(map[uint64]struct{})}
		}
	}
	return nil
}

// parse reads a line behind the header. Its error says why the service would refuse it.
func (c *csvColumns) parse(text []byte) (line exportLine, err error) {
	fields, err := csvFields(text, c.comma)
	switch {
	case !utf8.Valid(text):
		return line, errNotUTF8
	case err != nil:
		return line, fmt.Errorf("%w: %w", errNotCSVLine, err)
	case len(fields) != c.most:
		return line, fmt.Errorf("%w: it has %d fields, the header has %d", errNotCSVLine, len(fields), c.most)
	}
	count, err := strconv.ParseInt(strings.TrimSpace(fields[c.count]), 10, 64)
	if err != nil || count < 0 {
		return line, fmt.Errorf("%w: the number is %.40q", errNotCSVLine, fields[c.count])
	}
	page, err := counting.ParsePage(fields[c.page])
	if err != nil {
		return line, err
	}
	hash := maphash.String(c.seed, string(page))
	if _, ok := c.seen[hash]; ok {
		return line, errSeveralLines
	}
	c.seen[hash] = struct{}{}
	return exportLine{PageID: string(page), Count: &count}, nil
}

// csvFields are the fields of one line. No page has a line break, so no field has one.
func csvFields(line []byte, comma rune) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(line))
	r.Comma = comma
	fields, err := r.Read()
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		err = e.Err // it has the number of a line of this reader
	}
	return fields, err
}
