package netconn

import (
	"bytes"

	"footfall/adapters/httpapi/problem"
)

// framing looks at the header of a request as it arrives for what a proxy may read in
// another way: the two fields that say where its body ends, lines that end without a
// carriage return, and lines that continue the one before. Libraries for HTTP drop
// Content-Length where Transfer-Encoding is there, join such lines, and take all ends, so
// handlers can't see what was sent.
//
// A caller may send a part of a request with the one before, which net/http then has in a
// buffer. That part is not seen here. So the bytes of bodies are counted, too: where more
// came than those of a request, headers of its connection may be unseen from then on.
type framing struct {
	done            bool // the header has ended, or none is awaited
	length, chunked bool
	begun           bool   // a line has come
	refused         error  // the fault of a line
	line            []byte // the beginning of a line whose end has not come
	end             byte   // the last byte of that line

	unseen bool    // a part of a header may have come before it was awaited
	body   int64   // the length of the body; -1 is that its last chunk ends it
	after  int64   // bytes that came after the header
	last   [4]byte // the last of them
}

// longest is the longer of the two names, with its colon.
const longest = len("transfer-encoding:")

// see takes what was read.
func (f *framing) see(p []byte) {
	for !f.done {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			f.line = append(f.line, p[:min(len(p), longest-min(len(f.line), longest))]...)
			if len(p) > 0 {
				f.end = p[len(p)-1]
			}
			return
		}
		f.endLine(p[:end])
		p = p[end+1:]
	}
	f.after += int64(len(p))
	if n := len(p); n < len(f.last) {
		copy(f.last[:], f.last[n:])
		copy(f.last[len(f.last)-n:], p)
	} else {
		copy(f.last[:], p[n-len(f.last):])
	}
}

// ended returns how many bytes came after the request. That is no more than one unless
// its caller did not wait for the answer: net/http reads one while a handler runs, and an
// answer can be there before that read ends. If more came, or may have come, ok is false.
func (f *framing) ended() (more int, ok bool) {
	for more = range 2 {
		if f.body >= 0 && f.after == f.body+int64(more) {
			return more, true
		}
		// The last chunk ends with an empty line, and no part of a header does.
		end := f.last[:len(f.last)-more]
		if f.body < 0 && (bytes.HasSuffix(end, []byte("\n\n")) || bytes.HasSuffix(end, []byte("\n\r\n"))) {
			return more, true
		}
	}
	return 0, false
}

// endLine takes the rest of a line, without its line feed.
func (f *framing) endLine(rest []byte) {
	line, end := rest, f.end
	if len(f.line) > 0 {
		f.line = append(f.line, rest[:min(len(rest), longest)]...)
		line = f.line
	}
	if len(rest) > 0 {
		end = rest[len(rest)-1]
	}
	f.end = 0
	switch {
	case end != '\r':
		f.refuse("bare_line_feed", "A line of the header ends without a carriage return.")
	case len(line) > 1 && (line[0] == ' ' || line[0] == '\t'):
		f.refuse("folded_header", "A line of the header begins with a space, to continue the one before.")
	}
	switch {
	case len(line) == 0 || len(line) == 1 && line[0] == '\r':
		f.done = true
		if !f.begun {
			f.refuse("blank_line", "A request begins with a line that has its method.")
		}
	case line[0]|0x20 == 'c' && isField(line, "content-length:"):
		if f.length {
			f.refuse("two_lengths", "A request has one Content-Length.")
		}
		f.length = true
	case line[0]|0x20 == 't':
		f.chunked = f.chunked || isField(line, "transfer-encoding:")
	}
	f.line, f.begun = f.line[:0], true
}

// refuse keeps the first fault of a header.
func (f *framing) refuse(code, detail string) {
	if f.refused == nil {
		f.refused = problem.BadRequest(code, detail)
	}
}

// fault is what is wrong with a header that has ended, of a request whose body was found to
// have a length; nil for nothing.
func (f *framing) fault(body int64) error {
	switch {
	case f.length && f.chunked:
		return problem.BadRequest("two_lengths", "A request has a Content-Length or a Transfer-Encoding, not both.")
	case f.chunked && body >= 0:
		return problem.New(501, "transfer_encoding", "A Transfer-Encoding is chunked, and nothing else.")
	}
	return f.refused
}

func isField(line []byte, name string) bool {
	return len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}

// awaitHeader is called when a request is awaited, before its header is read.
func (c *Conn) awaitHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.header
	more, ok := before.ended()
	c.header = framing{line: before.line[:0], unseen: before.unseen || !ok}
	c.header.see(before.last[len(before.last)-more:])
	c.releaseHeader()
}

// Framing is called when the header of a request has been read, before its body. body is
// the length of that, -1 for one in chunks. Its error is a fault: the header has both
// Content-Length and Transfer-Encoding, a line that ends without a carriage return, or one
// that continues the line before. A proxy may see another request there, so its
// connection has to end. If parts of the header may have come with the request before,
// that is unknown: unseen is true. It goes by raw then, the lines after the first with
// the empty one, if the caller has them; nil is that it has not.
func (c *Conn) Framing(body int64, raw []byte) (unseen bool, refused error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.header
	h.unseen = h.unseen || !h.done
	h.done, h.body = true, body
	if h.unseen && raw != nil {
		all := framing{begun: true}
		all.see(raw)
		return true, all.fault(body)
	}
	return h.unseen, h.fault(body)
}

// HasHeader reports whether the header of the request that is awaited has come.
func (c *Conn) HasHeader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.done
}
