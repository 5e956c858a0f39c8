package request_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// itemTexts are items of every kind that a reader can take for another.
func itemTexts() []string {
	return []string{
		`{"page_id":"home"}`, `{"page_id":"home","count":3}`, `{"count":3,"page_id":"home"}`, ` { "page_id" : "home" , "count" : 3 } `, "{\t\"page_id\":\"home\"}",
		`{"page_id":""}`, `{}`, `{ }`, `{"count":3}`, `{"page_id":"` + strings.Repeat("x", 256) + `"}`, `{"page_id":"` + strings.Repeat("x", 257) + `"}`,
		`{"page_id":"` + strings.Repeat("ä", 128) + `"}`, `{"page_id":"` + strings.Repeat("ä", 129) + `"}`, `{"page_id":"a/b c?d#e%41"}`,
		// Texts: escapes, control characters, what is not Unicode.
		`{"page_id":"a\/b"}`, `{"page_id":"\u00e4\ud83d\ude00"}`, `{"page_id":"ä😀"}`, `{"page_id":"\u0061\"\\"}`, `{"page_id":"a\u0000b"}`, `{"page_id":"a\n"}`,
		`{"page_id":"\u007f"}`, "{\"page_id\":\"\x7f\"}", "{\"page_id\":\"\u0085\"}", "{\"page_id\":\"a\u2028\"}", `{"page_id":"\ud800"}`, `{"page_id":"\ude00\ud83d"}`,
		`{"page_id":"\ufffd"}`, "{\"page_id\":\"\ufffd\"}", `{"page_id":"\ufffd\udcff"}`, "{\"page_id\":\"\xff\"}", "{\"page_id\":\"\xed\xa0\x80\"}", "{\"page_id\":\"\xc0\xaf\"}",
		"{\"page_id\":\"a\x01\"}", "{\"page_id\":\"a\tb\"}", `{"page_id":"\x"}`, `{"page_id":"\u12"}`, `{"page_id":"\u00E4"}`, `{"page_id":"a`, `{"page_id":"a\"}`,
		// Names of fields.
		`{"page_id":"a","page_id":"b"}`, `{"page_id":"a","page_id":"a"}`, `{"page_id":"a","count":1,"count":1}`, `{"page_id":"a","Count":2}`, `{"PAGE_ID":"a"}`,
		`{"page_id":"a","":1}`, `{"page\u005fid":"a"}`, `{"page_id":"a","\u0063ount":2}`, `{"page_id":"a","page\u005fid":"b"}`, `{"page_id":"a","dryrun":true}`, `{"dryrun":{"page_id":"b"},"page_id":"a"}`,
		"{\"page_id\":\"a\",\"\xff\":1}", `{"page_id":"a","\ud800":1}`, `{"page_id ":"a"}`, `{"page_id":"a","x":[{"y":{}},{"y":1,"y":2}]}`, `{"count/x":1}`,
		// Numbers.
		`{"page_id":"a","count":0}`, `{"page_id":"a","count":-0}`, `{"page_id":"a","count":-1}`, `{"page_id":"a","count":+1}`, `{"page_id":"a","count":01}`, `{"page_id":"a","count":1.0}`,
		`{"page_id":"a","count":1e3}`, `{"page_id":"a","count":1E0}`, `{"page_id":"a","count":0.5}`, `{"page_id":"a","count":1.}`, `{"page_id":"a","count":.5}`, `{"page_id":"a","count":-}`,
		`{"page_id":"a","count":9223372036854775807}`, `{"page_id":"a","count":9223372036854775808}`, `{"page_id":"a","count":-9223372036854775808}`, `{"page_id":"a","count":18446744073709551617}`,
		`{"page_id":"a","count":` + strings.Repeat("9", 400) + `}`, `{"page_id":"a","count":1e400}`, `{"page_id":"a","count":0x1}`, `{"page_id":"a","count":1_0}`, `{"page_id":"a","count":NaN}`,
		// Values of other types.
		`{"page_id":"a","count":"1"}`, `{"page_id":"a","count":null}`, `{"page_id":"a","count":true}`, `{"page_id":"a","count":[1]}`, `{"page_id":"a","count":{"count":9}}`,
		`{"page_id":7}`, `{"page_id":null}`, `{"page_id":["a"]}`, `{"page_id":{"page_id":"a"}}`, `{"page_id":7,"count":"1"}`, `{"count":"1","page_id":7}`, `{"page_id":"","count":0}`,
		`["a"]`, `"a"`, `7`, `null`, `true`, `[]`, `[[[{"page_id":"a"}]]]`,
		// No JSON.
		`{"page_id":"a",}`, `{"page_id":"a" "count":1}`, `{"page_id" "a"}`, `{"page_id"}`, `{"page_id":}`, `{page_id:"a"}`, `{'page_id':"a"}`, `{"page_id":"a"`, `{`, `}`, `nul`, `tru e`,
		`{"page_id":"a"}}`, `{"page_id":"a"}]`, `{"page_id":"a"} {"page_id":"b"}`, `{"page_id":"a"}{"page_id":"b"}`, `{"page_id":"a"},{"page_id":"b"}`, "{\"page_id\":\"a\"}\x0b", "\u00a0{\"page_id\":\"a\"}", "{\"page_id\":\"a\"}\u0085",
		`{"page_id":"a"}//`, `{"page_id":"a"/**/}`, "{\"page_id\":\"a\"}\x00", "\ufeff{\"page_id\":\"a\"}", "{\"page_id\":\n\"a\"}", "{\"page_id\":\r\"a\"}",
	}
}

// bodies are bulks of one item, alone and among others.
func bodies(item string) []string {
	const first, last = `{"page_id":"first","count":2}`, `{"page_id":"last"}`
	return []string{
		item, "[" + item + "]", "[" + item, "[" + item + "] ", "[" + item + "]\n[]", "[" + item + "]x", "[" + item + ",]", "[," + item + "]", "[" + item + "," + item + "]",
		"[" + first + "," + item + ",\r\n" + last + "]", "[" + first + " " + item + "]", first + "\n" + item + "\n" + last, first + "\r\n\r\n  " + item + " \r\n" + last + "\n", " \n" + item + "\n" + item,
		first + " " + item, item + "\nnonsense\n" + item,
	}
}

// same fails the test unless a body is read as by reference, with the same codes and texts.
func same(t *testing.T, body string) {
	t.Helper()
	want, wantErr := reference([]byte(body))
	got, err := request.Visits([]byte(body))
	byFault := cmp.Comparer(func(a, b error) bool {
		return (a == nil) == (b == nil) && (a == nil || cmp.Equal(problem.Of(a, true), problem.Of(b, true)))
	})
	if !cmp.Equal(err, wantErr, byFault) {
		t.Fatalf("%.200q: the error is %#v, want %#v", body, err, wantErr)
	}
	if wantErr != nil {
		return
	}
	if diff := cmp.Diff(want, got, byFault); diff != "" {
		t.Fatalf("%.200q: want -, got +\n%s", body, diff)
	}
}

func TestABulkIsReadAsStrictlyAsItsItems(t *testing.T) {
	for _, item := range itemTexts() {
		for _, body := range bodies(item) {
			same(t, body)
		}
	}
	for _, body := range []string{
		"", " ", "[]", "[ ]", "[", "]", "[[]", "[]]", "{", "{}", "\n\n", "[\n]\n", "[]\x00", "null", "\"a\"", "{\n}", "\x0b{}", "\ufeff[]", "{\"page_id\":\"a\"", "{]\n{}", "page_id=home",
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "[" + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + "]", "[" + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "]",
		"[" + strings.Repeat(`{"x":`, 9_999) + "1" + strings.Repeat("}", 9_999) + "]", "[" + strings.Repeat(`{"x":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "]",
		strings.Repeat(`{"x":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`{"x":`, 10_001) + "1" + strings.Repeat("}", 10_001) + "\n{}",
	} {
		same(t, body)
	}
}

// A body that is no JSON beyond its last item is not one that has too many.
func TestTheBoundOfItemsIsForBodiesThatAreJSON(t *testing.T) {
	const item = `{"page_id":"a"}`
	most := strings.Repeat(item+",", request.MaxItems-1) + item
	lines := strings.Repeat(item+"\n", request.MaxItems)
	for _, body := range []string{
		"[" + most + "]", "[" + most + "," + item + "]", "[" + most + "," + item, "[" + most + ",]", "[" + most + ",x]", "[" + most + `,{"page_id":"a","x":tru}]`, "[" + most + "," + most + "]x", "[" + most,
		"[" + most + ",1]", lines, lines + "\n \n", lines + item, lines + "x", strings.Repeat("x\n", 2000) + item, item + strings.Repeat("\n{", 1999), item + strings.Repeat("\n{", 2000),
	} {
		same(t, body)
	}
	if _, err := request.Visits([]byte("[" + most + ",1]")); problem.Of(err, true).Code != "too_large" {
		t.Errorf("2001 items: %v", err)
	}
}

func FuzzABulkIsReadAsStrictlyAsItsItems(f *testing.F) {
	for _, item := range itemTexts() {
		f.Add([]byte("[" + item + `,{"page_id":"last"}]`))
		f.Add([]byte("{\"page_id\":\"first\"}\n" + item + "\n{\"page_id\":\"last\"}"))
	}
	f.Fuzz(func(t *testing.T, body []byte) { same(t, string(body)) })
}

// What is kept of a body must not change when the buffer of the body is used again.
func TestNamesDoNotChangeWithTheBody(t *testing.T) {
	for _, text := range []string{`[{"page_id":"home"},{"page_id":"a\/b"},{"page_id":"` + strings.Repeat("x", 257) + `"}]`, "{\"page_id\":\"home\"}\n{\"page_id\":\"a\\/b\"}\n"} {
		body := []byte(text)
		items, err := request.Visits(body)
		clear(body)
		if err != nil || items[0].Page != "home" || items[0].Name != "home" || items[1].Page != "a/b" || len(items) > 2 && items[2].Name[256] != 'x' {
			t.Errorf("%s: %v, %+v", text, err, items)
		}
	}
}
