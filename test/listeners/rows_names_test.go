package listeners_test

import "strings"

// row is what a caller sends on one connection, all at once.
type row struct {
	name, send string
	// want are the statuses of the answers, and "." where the connection ends then.
	want string
	// ingest are those of the ingest listener where it differs, and why says why it may. Where
	// ingest is empty, what the answers say differs.
	ingest, why string
}

// ask is a request without a body. fields are lines of its header.
func ask(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: x"}, fields...), "\r\n") + "\r\n\r\n"
}

// names are requests about one page. They are sent with both prefixes.
func names() []row {
	var rows []row
	for _, c := range []struct{ name, page, want string }{
		{"a name", "home", "200"},
		{"a colon", "visit:x", "200"},
		{"raw UTF-8", "😀", "200"},
		{"encoded UTF-8", "%F0%9F%98%80", "200"},
		{"lower case in an encoding", "%f0%9f%98%80", "200"},
		{"an encoded slash", "a%2Fb", "200"},
		{"a raw slash", "a/b", "200"},
		{"slashes at both ends", "/a/", "200"},
		{"two slashes", "a//b", "200"},
		{"dots", "a/../b/./c", "200"},
		{"encoded dots", "%2E%2E", "200"},
		{"only dots", "..", "200"},
		{"an encoded percent", "a%252Fb", "200"},
		{"a plus", "a+b", "200"},
		{"an encoded space", "a%20b", "200"},
		{"quotes", "%22%3Cb%3E%5C", "200"},
		{"a backslash", `a\b`, "200"},
		{"braces", "{page_id}", "200"},
		{"a fragment", "a#b", "200"},
		{"a semicolon", "a;b=c", "200"},
		{"an at", "user:pass@host", "200"},
		{"a line separator", "%E2%80%A8", "200"},
		{"a name of 256 bytes", strings.Repeat("x", 256), "200"},
		{"a name of 256 encoded bytes", strings.Repeat("%C3%A9", 128), "200"},
		{"a name of 257 bytes", strings.Repeat("x", 257), "400"},
		{"an empty name", "", "400"},
		{"a NUL", "%00", "400"},
		{"a line feed", "a%0Ab", "400"},
		{"a DEL", "a%7Fb", "400"},
		{"a C1 control", "%C2%85", "400"},
		{"a byte that is no UTF-8", "%FF", "400"},
		{"a raw byte that is no UTF-8", "\xff", "400"},
		{"half of a surrogate pair", "%ED%A0%80", "400"},
		{"an overlong encoding", "%C0%AF", "400"},
		{"a percent without digits", "a%", "400 ."},
		{"a percent with one digit", "a%2", "400 ."},
		{"a percent with a letter", "a%zz", "400 ."},
		{"a raw space", "a b", "400 ."},
		{"a raw tab", "a\tb", "400 ."},
		{"a raw DEL", "a\x7fb", "400 ."},
		{"an empty query", "home?", "200"},
		{"an unknown parameter", "home?x=1", "400"},
		{"a parameter without a name", "home?=1", "400"},
		{"a parameter that is no UTF-8", "home?%ff", "400"},
		{"a badly encoded parameter", "home?%zz", "400"},
		{"ampersands", "home?&&", "200"},
		{"a question mark in a query", "home??", "400"},
	} {
		rows = append(
			rows,
			row{name: "visit, " + c.name, send: ask("POST", "/visit/"+c.page), want: c.want},
			row{name: "visit with the prefix, " + c.name, send: ask("POST", "/api/v1/counter/visit/"+c.page), want: c.want},
			row{name: "read, " + c.name, send: ask("GET", "/visits/"+c.page), want: c.want},
			row{name: "read with the prefix, " + c.name, send: ask("GET", "/api/v1/counter/visits/"+c.page), want: c.want},
		)
	}
	return rows
}

// targets are other requests without a body.
func targets() []row {
	const notThere = "the route is not one of the ingest listener's"
	return []row{
		{name: "a visit of a name that ends in /history", send: ask("POST", "/visit/a/history"), want: "200"},
		{name: "a visit of a name that ends in /badge.svg", send: ask("POST", "/visit/a/badge.svg"), want: "200"},
		{name: "a page called history", send: ask("GET", "/visits/history"), want: "200"},
		{name: "a name with an encoded slash before badge.svg", send: ask("GET", "/visits/a%2Fbadge.svg"), want: "200"},
		{name: "HEAD of a count", send: ask("HEAD", "/visits/home"), want: "200"},
		{name: "HEAD of a count with the prefix", send: ask("HEAD", "/api/v1/counter/visits/home"), want: "200"},
		{name: "HEAD of a bad name", send: ask("HEAD", "/visits/%00"), want: "400"},
		{name: "HEAD of a visit", send: ask("HEAD", "/visit/home"), want: "405"},
		{name: "HEAD of an id", send: ask("HEAD", "/api/verve/accept?id=1"), want: "405"},
		{name: "GET of a visit", send: ask("GET", "/visit/home"), want: "405"},
		{name: "PUT of a visit", send: ask("PUT", "/visit/home"), want: "405"},
		{name: "DELETE of a count", send: ask("DELETE", "/visits/home"), want: "405"},
		{name: "POST of a count", send: ask("POST", "/visits/home", "Content-Length: 0"), want: "405"},
		{name: "PATCH of a count with the prefix", send: ask("PATCH", "/api/v1/counter/visits/home"), want: "405"},
		{name: "OPTIONS of a visit", send: ask("OPTIONS", "/visit/home"), want: "405"},
		{name: "TRACE", send: ask("TRACE", "/visit/home"), want: "405"},
		{name: "a method that is unknown", send: ask("BREW", "/visit/home"), want: "405"},
		{name: "a method in lower case", send: ask("post", "/visit/home"), want: "405"},
		{name: "POST of an id", send: ask("POST", "/api/verve/accept?id=1", "Content-Length: 0"), want: "405"},
		{name: "PUT of a bulk", send: ask("PUT", "/visits"), want: "405", why: "GET /visits is not one of the ingest listener's routes, so Allow has POST alone"},
		{name: "an id", send: ask("GET", "/api/verve/accept?id=123"), want: "200"},
		{name: "an id with zeros", send: ask("GET", "/api/verve/accept?id=007"), want: "200"},
		{name: "a negative id", send: ask("GET", "/api/verve/accept?id=-5"), want: "200"},
		{name: "an encoded id", send: ask("GET", "/api/verve/accept?i%64=%31"), want: "200"},
		{name: "an id with an endpoint", send: ask("GET", "/api/verve/accept?id=1&endpoint=http%3A%2F%2Fexample.com%2Fhook%3Fa%3Db"), want: "200"},
		{name: "an id with an endpoint of a share", send: ask("GET", "/api/verve/accept?id=429&endpoint=http://example.com/"), want: "200"},
		{name: "no id", send: ask("GET", "/api/verve/accept"), want: "400"},
		{name: "an empty id", send: ask("GET", "/api/verve/accept?id="), want: "400"},
		{name: "an id that is no number", send: ask("GET", "/api/verve/accept?id=1a"), want: "400"},
		{name: "an id with a space", send: ask("GET", "/api/verve/accept?id=+1"), want: "400"},
		{name: "an id beyond 64 bits", send: ask("GET", "/api/verve/accept?id=9223372036854775808"), want: "400"},
		{name: "two ids", send: ask("GET", "/api/verve/accept?id=1&id=2"), want: "400"},
		{name: "an id with an unknown parameter", send: ask("GET", "/api/verve/accept?id=1&x=2"), want: "400"},
		{name: "an id with a bad endpoint", send: ask("GET", "/api/verve/accept?id=1&endpoint=ftp://example.com/"), want: "400"},
		{name: "an id with two endpoints", send: ask("GET", "/api/verve/accept?id=1&endpoint=http://a.com&endpoint=http://b.com"), want: "400"},
		{name: "an id that can't be stored", send: ask("GET", "/api/verve/accept?id=503"), want: "503"},
		{name: "an id in doubt", send: ask("GET", "/api/verve/accept?id=504"), want: "504"},
		{name: "an id with the prefix", send: ask("GET", "/api/v1/counter/api/verve/accept?id=1"), want: "404"},
		{name: "an id with a slash at the end", send: ask("GET", "/api/verve/accept/?id=1"), want: "404"},
		{name: "a store that is away", send: ask("POST", "/visit/away"), want: "503"},
		{name: "a visit in doubt", send: ask("POST", "/visit/doubt"), want: "504"},
		{name: "a page that moves", send: ask("POST", "/visit/moving"), want: "503"},
		{name: "a count that is none", send: ask("POST", "/visit/corrupt"), want: "503"},
		{name: "an error that is unknown", send: ask("POST", "/visit/unknown"), want: "504"},
		{name: "a panic", send: ask("POST", "/visit/panic") + ask("POST", "/visit/home"), want: "504 200"},
		{name: "a count that can't be read", send: ask("GET", "/visits/away"), want: "503"},
		{name: "an error of a read that is unknown", send: ask("GET", "/visits/unknown"), want: "500"},
		{name: "a path that nothing serves", send: ask("GET", "/nothing"), want: "404"},
		{name: "a visit without a page", send: ask("POST", "/visit"), want: "404"},
		{name: "an encoded letter in the path", send: ask("POST", "/vis%69t/home"), want: "404"},
		{name: "an encoded slash in the path", send: ask("POST", "/visit%2Fhome"), want: "404"},
		{name: "two slashes before the path", send: ask("POST", "//visit/home"), want: "404"},
		{name: "a slash before the prefix", send: ask("POST", "/./visit/home"), want: "404"},
		{name: "upper case in the path", send: ask("POST", "/Visit/home"), want: "404"},
		{name: "half of the prefix", send: ask("POST", "/api/v1/visit/home"), want: "404"},
		{name: "an absolute target", send: ask("POST", "http://example.com/visit/home"), want: "200"},
		{name: "an absolute target with encodings", send: ask("GET", "http://example.com/visits/a%2Fb%20c"), want: "200"},
		{name: "an absolute target with a query", send: ask("GET", "http://example.com/api/verve/accept?id=5"), want: "200"},
		{name: "an absolute target of another scheme", send: ask("GET", "https://example.com/visits/home"), want: "200"},
		{name: "an absolute target without a path", send: ask("GET", "http://example.com"), want: "404"},
		{name: "an absolute target without a host", send: ask("GET", "http:///visits/home"), want: "200"},
		{name: "an absolute target with a bad port", send: ask("GET", "http://example.com:x/visits/home"), want: "400 ."},
		{name: "an opaque target", send: ask("GET", "mailto:home"), want: "404", ingest: "400 .", why: "fasthttp refuses a target without a slash before it is routed"},
		{name: "a relative target", send: ask("GET", "visits/home"), want: "400 ."},
		{name: "an asterisk", send: ask("OPTIONS", "*"), want: "404"},
		{name: "CONNECT", send: ask("CONNECT", "example.com:443"), want: "404"},
		{name: "many counts", send: ask("GET", "/visits?page_id=a&page_id=b"), want: "200", ingest: "405", why: notThere},
		{name: "a history", send: ask("POST", "/visits/a/history", "Content-Length: 0"), want: "405", ingest: "404", why: notThere},
		{name: "a badge", send: ask("GET", "/visits/away/badge.svg"), want: "503", ingest: "404", why: notThere},
		{name: "the history of no page", send: ask("GET", "/visits//history"), want: "400", ingest: "404", why: notThere},
		{name: "the API", send: ask("GET", "/openapi.json"), want: "200", ingest: "404", why: notThere},
	}
}
