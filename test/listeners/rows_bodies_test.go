package listeners_test

import (
	"fmt"
	"strings"
)

// send is a request with a body of a known length.
func send(method, target, body string, fields ...string) string {
	return ask(method, target, append(fields, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

// chunked is a request with a body in chunks.
func chunked(target string, chunks []string, fields ...string) string {
	text := ask("POST", target, append(fields, "Transfer-Encoding: chunked")...)
	for _, chunk := range chunks {
		text += fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
	}
	return text + "0\r\n\r\n"
}

const asJSON = "Content-Type: application/json"

// bulks are bodies of POST /visits, and what it answers.
func bulks() []row {
	many := func(n int) string { return "[" + strings.Repeat(`{"page_id":"a"},`, n-1) + `{"page_id":"a"}]` }
	var rows []row
	for _, c := range []struct{ name, body, want string }{
		{"one item", `[{"page_id":"home"}]`, "200"},
		{"two items with counts", `[{"page_id":"a","count":2},{"count":3,"page_id":"b"}]`, "200"},
		{"no item", `[]`, "200"},
		{"white space", " \r\n\t[ { \"page_id\" : \"a\" } ] \n", "200"},
		{"NDJSON", "{\"page_id\":\"a\"}\n{\"page_id\":\"b\",\"count\":2}\n", "200"},
		{"NDJSON without a line feed", "{\"page_id\":\"a\"}\n{\"page_id\":\"b\"}", "200"},
		{"NDJSON with empty lines", "\n{\"page_id\":\"a\"}\r\n\r\n{\"page_id\":\"b\"}\n\n", "200"},
		{"NDJSON with a line that is none", "{\"page_id\":\"a\"}\nnothing\n", "200"},
		{"escapes", `[{"page_id":"\u00e9\ud83d\ude00\n"},{"page_id":"a\/b"}]`, "200"},
		{"a bad name", `[{"page_id":""},{"page_id":"a"}]`, "200"},
		{"a long name", `[{"page_id":"` + strings.Repeat("x", 257) + `"},{"page_id":"a"}]`, "200"},
		{"half of a surrogate pair", `[{"page_id":"\ud83d"},{"page_id":"a"}]`, "200"},
		{"a count of 0", `[{"page_id":"a","count":0}]`, "200"},
		{"a negative count", `[{"page_id":"a","count":-1}]`, "200"},
		{"a fraction", `[{"page_id":"a","count":1.5}]`, "200"},
		{"an exponent", `[{"page_id":"a","count":1e2}]`, "200"},
		{"a count beyond 64 bits", `[{"page_id":"a","count":9223372036854775808}]`, "200"},
		{"a count above the limit", `[{"page_id":"a","count":1001},{"page_id":"b","count":1000}]`, "200"},
		{"a count that is a string", `[{"page_id":"a","count":"1"}]`, "200"},
		{"a null", `[{"page_id":"a","count":null}]`, "200"},
		{"an unknown field", `[{"page_id":"a","x":1},{"page_id":"b"}]`, "200"},
		{"a repeated field", `[{"page_id":"a","page_id":"b"},{"page_id":"c"}]`, "200"},
		{"a field in upper case", `[{"Page_Id":"a"}]`, "200"},
		{"an item that is no object", `[1,"a",null,[],{"page_id":"a"}]`, "200"},
		{"all kinds of refusals", `[{"page_id":"away"},{"page_id":"doubt"},{"page_id":"moving"},{"page_id":"unknown"},{"page_id":"a"}]`, "200"},
		{"only items that are refused for now", `[{"page_id":"away"},{"page_id":"moving"}]`, "503"},
		{"2,000 items", many(2000), "200"},
		{"2,001 items", many(2001), "413"},
		{"something after the end", `[{"page_id":"a"}]x`, "400"},
		{"two arrays", `[{"page_id":"a"}][{"page_id":"a"}]`, "400"},
		{"no end", `[{"page_id":"a"}`, "400"},
		{"a comma at the end", `[{"page_id":"a"},]`, "400"},
		{"a string", `"a"`, "400"},
		{"nothing", ``, "400"},
		{"only white space", " \n", "400"},
		{"a byte order mark", "\xef\xbb\xbf[]", "400"},
		{"bytes that are no UTF-8", "[{\"page_id\":\"\xff\"}]", "200"},
		{"a NUL", "[\x00]", "400"},
	} {
		rows = append(
			rows,
			row{name: "bulk, " + c.name, send: send("POST", "/visits", c.body, asJSON), want: c.want},
			row{name: "bulk in chunks, " + c.name, send: chunked("/api/v1/counter/visits", split(c.body), asJSON), want: c.want},
		)
	}
	return append(rows, bodies()...)
}

// split makes two chunks of a body, one of one byte, and none of an empty one.
func split(body string) []string {
	if len(body) < 2 {
		return strings.Fields(body)
	}
	return []string{body[:len(body)/2], body[len(body)/2:]}
}

// bodies are other requests with a body.
func bodies() []row {
	const item = `[{"page_id":"k"}]`
	key := func(k string) string { return "Idempotency-Key: " + k }
	return []row{
		{name: "a bulk of any type", send: send("POST", "/visits", item, "Content-Type: text/plain"), want: "200"},
		{name: "a bulk without a type", send: send("POST", "/visits", item), want: "200"},
		{name: "a bulk of a form", send: send("POST", "/visits", item, "Content-Type: multipart/form-data; boundary=x"), want: "200"},
		{name: "a bulk with an unknown parameter", send: send("POST", "/visits?x=1", item), want: "400"},
		{name: "a bulk without a length", send: ask("POST", "/visits"), want: "400"},
		{name: "two bulks in turn", send: send("POST", "/visits", item) + send("POST", "/visits", item), want: "200 200"},
		{name: "a bulk and a visit in turn", send: chunked("/visits", []string{item}) + ask("POST", "/visit/home"), want: "200 200"},
		{name: "a bulk of more than 2 MiB", send: send("POST", "/visits", strings.Repeat(" ", 2<<20+1)), want: "413 ."},
		{name: "a bulk of 2 MiB", send: send("POST", "/visits", strings.Repeat(" ", 2<<20-len(item))+item), want: "200"},
		{name: "a bulk in chunks of more than 2 MiB", send: chunked("/visits", []string{strings.Repeat(" ", 2<<20), " "}), want: "413 ."},
		{name: "a bulk in chunks with extensions", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "11;a=b\r\n" + item + "\r\n0\r\n\r\n", want: "200"},
		{name: "a bulk in chunks with a trailer", send: ask("POST", "/visits", "Transfer-Encoding: chunked", "Trailer: Idempotency-Key") + "11\r\n" + item + "\r\n0\r\nIdempotency-Key: trailed\r\n\r\n", want: "200"},
		{name: "a bulk in chunks that are broken", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "zz\r\n" + item + "\r\n0\r\n\r\n", want: "400 ."},
		{name: "a bulk in chunks of a bare line feed", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "11\n" + item + "\r\n0\r\n\r\n", want: "400 ."},
		{name: "a bulk in chunks that are longer than they say", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "10\r\n" + item + "\r\n0\r\n\r\n", want: "400 ."},
		{name: "a chunk of a huge size", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "ffffffffffffffffff\r\n", want: "400 ."},
		{name: "a chunk of a negative size", send: ask("POST", "/visits", "Transfer-Encoding: chunked") + "-1\r\n", want: "400 ."},
		{name: "a visit with a body", send: send("POST", "/visit/home", "abc", "Content-Type: text/plain") + ask("POST", "/visit/home"), want: "200 200"},
		{name: "a visit with an empty object", send: send("POST", "/visit/home", "{}", asJSON), want: "200"},
		{name: "a visit with a count", send: send("POST", "/visit/home", `{"count":2}`, asJSON), want: "400"},
		{name: "a visit with JSON of a charset", send: send("POST", "/visit/home", `{"count":2}`, asJSON+"; charset=utf-8"), want: "400"},
		{name: "a visit with JSON that is none", send: send("POST", "/visit/home", `{`, asJSON), want: "400"},
		{name: "a visit with no JSON", send: send("POST", "/visit/home", ``, asJSON), want: "200"},
		{name: "a visit with JSON in chunks", send: chunked("/visit/home", []string{"{", "}"}, asJSON), want: "200"},
		{name: "a visit with too much JSON", send: send("POST", "/visit/home", strings.Repeat(" ", 4097), asJSON), want: "413 ."},
		{name: "a count with a body", send: send("GET", "/visits/home", "abc") + ask("GET", "/visits/home"), want: "200 200"},
		{name: "a key", send: send("POST", "/visit/k", "", key("one")) + send("POST", "/visit/k", "", key("one")), want: "200 200"},
		{name: "a key with quotes", send: send("POST", "/visit/k", "", key(`"one"`)), want: "200"},
		{name: "a key for another page", send: send("POST", "/visit/l", "", key("one")), want: "422"},
		{name: "a key for a bulk", send: send("POST", "/visits", item, key("two")) + send("POST", "/visits", item, key("two")), want: "200 200"},
		{name: "a key for another bulk", send: send("POST", "/visits", `[{"page_id":"l"}]`, key("two")), want: "422"},
		{name: "a key for a bulk beyond the bound of counts", send: send("POST", "/visits", `[{"page_id":"l","count":2000}]`, key("three")), want: "400"},
		{name: "an empty key", send: send("POST", "/visit/k", "", "Idempotency-Key:"), want: "400"},
		{name: "a long key", send: send("POST", "/visit/k", "", key(strings.Repeat("x", 300))), want: "400"},
		{name: "a key with a space", send: send("POST", "/visit/k", "", key("a b")), want: "200"},
		{name: "a key in lower case letters", send: send("POST", "/visit/k", "", "idempotency-key: one"), want: "200"},
		{name: "two keys", send: send("POST", "/visit/k", "", key("a"), key("b")), want: "400"},
		{name: "a key for an id", send: ask("GET", "/api/verve/accept?id=1", key("a")), want: "200"},
	}
}
