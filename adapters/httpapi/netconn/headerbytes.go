package netconn

import (
	"io"
	"strconv"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
)

// freeHeader is how many bytes of a header, and of what comes with it, are not accounted.
const freeHeader = 4 << 10

// headerBytes are those of the header of a request. The mutex of its Conn guards them.
type headerBytes struct {
	pool *limits.Pool
	read int64
	held int64 // taken from the pool
}

// accountHeaders takes the bytes of headers beyond freeHeader from a pool, for Client. A
// header that it refuses is answered, and its connection ends. It must be called before
// the first Read.
func (c *Conn) accountHeaders(pool *limits.Pool) { c.bytes.pool = pool }

// heard accounts n bytes of a header. c.mu is held.
func (c *Conn) heard(n int) error {
	b := &c.bytes
	b.read += int64(n)
	more := b.read - freeHeader - b.held
	if more <= 0 {
		return nil
	}
	if err := b.pool.Acquire(c.Client, more); err != nil {
		return err
	}
	b.held += more
	return nil
}

// freeHeaderBytes gives back what the header of a request has taken. awaitHeader does so,
// too. It may be called again.
func (c *Conn) freeHeaderBytes() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseHeader()
}

func (c *Conn) releaseHeader() {
	c.bytes.pool.Release(c.Client, c.bytes.held)
	c.bytes.read, c.bytes.held = 0, 0
}

// Refuse answers with a fault before there is a request. The connection has to be closed
// then. A caller that goes on sending may not see the answer.
func (c *Conn) Refuse(f problem.Fault) {
	body := f.JSON()
	_, _ = io.WriteString(c, "HTTP/1.1 "+strconv.Itoa(f.Status)+" "+f.Title()+"\r\nConnection: close\r\nCache-Control: no-store\r\n"+
		"Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\nContent-Length: "+strconv.Itoa(len(body))+
		"\r\nRetry-After: "+strconv.Itoa(f.RetryAfter)+"\r\n\r\n"+string(body))
}
