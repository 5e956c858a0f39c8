package netconn

import "bytes"

// framing looks at the header of a request as it arrives for the two fields that say
// where its body ends. net/http drops Content-Length where Transfer-Encoding is there,
// so handlers can't see that both were sent.
type framing struct {
	done            bool // the header has ended, or none is awaited
	length, chunked bool
	line            []byte // the beginning of a line whose end has not come
}

// longest is the longer of the two names, with its colon.
const longest = len("transfer-encoding:")

// see takes what was read.
func (f *framing) see(p []byte) {
	for !f.done {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			f.line = append(f.line, p[:min(len(p), longest-min(len(f.line), longest))]...)
			return
		}
		f.endLine(p[:end])
		p = p[end+1:]
	}
}

// endLine takes the rest of a line, without its line feed.
func (f *framing) endLine(rest []byte) {
	line := rest
	if len(f.line) > 0 {
		f.line = append(f.line, rest[:min(len(rest), longest)]...)
		line = f.line
	}
	switch {
	case len(line) == 0 || len(line) == 1 && line[0] == '\r':
		f.done = true
	case line[0]|0x20 == 'c':
		f.length = f.length || isField(line, "content-length:")
	case line[0]|0x20 == 't':
		f.chunked = f.chunked || isField(line, "transfer-encoding:")
	}
	f.line = f.line[:0]
}

func isField(line []byte, name string) bool {
	return len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}

// AwaitHeader is called when a request is awaited, before its header is read.
func (c *Conn) AwaitHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = framing{line: c.header.line[:0]}
	c.releaseHeader()
}

// Framing reports which of Content-Length and Transfer-Encoding the header of a request
// had that came after AwaitHeader. A header that came together with the request before
// was not looked at, and has neither.
func (c *Conn) Framing() (length, chunked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.length, c.header.chunked
}
