package netconn

import "bytes"

// framing looks at the header of a request as it arrives for the two fields that say
// where its body ends. net/http drops Content-Length where Transfer-Encoding is there,
// so handlers can't see that both were sent.
//
// A caller may send a part of a request with the one before, which net/http then has in a
// buffer. That part is not seen here. So the bytes of bodies are counted, too: where more
// came than those of a request, headers of its connection may be unseen from then on.
type framing struct {
	done            bool // the header has ended, or none is awaited
	length, chunked bool
	line            []byte // the beginning of a line whose end has not come

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
	before := c.header
	more, ok := before.ended()
	c.header = framing{line: before.line[:0], unseen: before.unseen || !ok}
	c.header.see(before.last[len(before.last)-more:])
	c.releaseHeader()
}

// Framing is called when the header of a request has been read, before its body. body is
// the length of that, -1 for one in chunks. It reports whether the header had both
// Content-Length and Transfer-Encoding. If parts of the header may have come with the
// request before, that is unknown: unseen is true.
func (c *Conn) Framing(body int64) (both, unseen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.header
	h.unseen = h.unseen || !h.done
	h.done, h.body = true, body
	return h.length && h.chunked, h.unseen
}
