package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"footfall/domain/counting"
)

// bulkItem is one item of a body: a visit, or why it is none.
type bulkItem struct {
	visit counting.Visit
	// name is the page id as it was given, if it was a string.
	name string
	err  error
}

func badItem(detail string) fault { return badRequest("bad_item", detail) }

func badCount() fault {
	return badRequest("bad_count", "A count is an integer from 1 to 2^63-1, without fraction or exponent.")
}

func tooManyItems() fault {
	return tooLarge("The body has more than " + strconv.Itoa(maxBulkItems) + " items.")
}

// parseItem reads {"page_id":"home","count":3} from valid JSON. It is stricter
// than encoding/json: a misspelt count must not count 1, and what isn't UTF-8
// must not be counted under another name.
func parseItem(raw []byte) bulkItem {
	if !utf8.Valid(raw) {
		return bulkItem{err: badItem("The item is not valid UTF-8.")}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if start, _ := dec.Token(); start != json.Delim('{') {
		return bulkItem{err: badItem("The item is not an object.")}
	}
	item := bulkItem{visit: counting.Visit{Count: 1}}
	var named, counted bool
	for dec.More() && item.err == nil {
		// The text is valid JSON: a key is a string, and every call succeeds.
		key, _ := dec.Token()
		value, _ := dec.Token()
		switch {
		case key == "page_id" && !named:
			named = true
			item.name, item.err = parseName(raw, value)
		case key == "count" && !counted:
			counted = true
			item.visit.Count, item.err = parseCount(value)
		default:
			item.err = badItem("An item has page_id and count, each once, and no other fields.")
		}
	}
	if item.err == nil {
		item.visit.Page, item.err = parsePage(item.name)
	}
	return item
}

func parseName(raw []byte, value json.Token) (string, error) {
	name, ok := value.(string)
	switch {
	case !ok:
		return "", badRequest("bad_page_id", "A page id is a string.")
	case strings.ContainsRune(name, utf8.RuneError) && !spellsReplacement(raw):
		return "", badRequest("bad_page_id", "The page id has half of a surrogate pair.")
	}
	return name, nil
}

// spellsReplacement tells whether the text has U+FFFD itself. Otherwise one in
// a decoded string was put there by encoding/json for something unreadable.
func spellsReplacement(raw []byte) bool {
	return bytes.ContainsRune(raw, utf8.RuneError) || bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`))
}

func parseCount(value json.Token) (int64, error) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, badCount()
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < 1 {
		return 0, badCount()
	}
	return n, nil
}
