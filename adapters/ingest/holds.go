package ingest

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"sync/atomic"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/netconn"
)

// largeAnswer is how many bytes an answer has that may not fit into what the system buffers
// for its caller.
const largeAnswer = 16 << 10

// holds are what a request has until its answer is written: its share of the limits, and its
// place among those that a stop waits for.
type holds struct {
	counter  *counter.Counter
	working  *atomic.Int64
	client   netip.Prefix
	bytes    int64
	requests int64
}

// release may be called again.
func (h *holds) release() {
	if h.counter == nil {
		return
	}
	h.counter.Requests.Release(h.client, h.requests)
	h.counter.Bytes.Release(h.client, h.bytes)
	h.working.Add(-1)
	*h = holds{}
}

// heldAnswer is the body of a large answer. fasthttp writes it after the handler has
// returned, and closes it in any case.
type heldAnswer struct {
	bytes.Reader
	holds
}

// Close implements io.Closer.
func (a *heldAnswer) Close() error {
	a.release()
	return nil
}

// bodyReader reads the body of a request. fasthttp has errors of its own where a read of the
// connection was late.
type bodyReader struct {
	io.Reader
	conn *netconn.Conn
}

// Read implements io.Reader.
func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && b.conn.ReadIsLate() {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
