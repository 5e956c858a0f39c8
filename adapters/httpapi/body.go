package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

const (
	// freeBody is how many bytes of a body are not accounted.
	freeBody = 4 << 10
	// bodyGrace and bodyRate (bytes a second) are the least speed of a body: n bytes have to
	// be there bodyGrace + n/bodyRate after the header.
	bodyGrace = 5 * time.Second
	bodyRate  = 16 << 10
)

// received is a body that is there as a whole.
type received struct {
	io.ReadCloser // the end of it
	data          []byte
}

// Body is the body of a request whose route has MaxBody; nil for none. Its bytes are valid
// until the action returns.
func Body(r *http.Request) []byte {
	if b, ok := r.Body.(*received); ok {
		return b.data
	}
	return nil
}

// receive reads the body of a request before the request has a slot: a caller that sends
// slowly, or nothing, takes none. It accounts the bytes as they come; held are to be
// released, also after an error.
func (e *endpoint) receive(w http.ResponseWriter, r *http.Request, client netip.Prefix) (held int64, err error) {
	if e.MaxBody == 0 || r.Body == http.NoBody || e.JSONBody && !request.IsJSON(r.Header.Get("Content-Type")) {
		return 0, nil
	}
	data, err := readPaced(w, r, e.MaxBody, func(n int64) error {
		err := e.handler.options.Bytes.Acquire(client, n)
		if err == nil {
			held += n
		}
		return err
	})
	if err == nil {
		r.Body = &received{r.Body, data}
	}
	return held, err
}

// readPaced is ReadBody with a least speed. It calls hold before it takes memory for more
// bytes, and returns its error.
func readPaced(w http.ResponseWriter, r *http.Request, limit int64, hold func(n int64) error) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, overLimit(limit)
	}
	most := limit
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	p, body := newPace(w, r), http.MaxBytesReader(w, r.Body, most)
	data := make([]byte, 0, 512)
	for {
		if len(data) == cap(data) {
			grown := min(2*cap(data), int(most)+1) // a read of one more finds the end
			if more := grown - max(cap(data), freeBody); more > 0 {
				if err := hold(int64(more)); err != nil {
					w.Header().Set("Connection", "close") // the rest of the body may still come
					return nil, err
				}
			}
			data = append(make([]byte, 0, grown), data...)
		}
		p.extend(len(data))
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			p.end()
			return data, nil
		}
		if err != nil {
			return nil, bodyFault(w, limit, err)
		}
	}
}

// pace is the deadline of a body.
type pace struct {
	control     *http.ResponseController
	began, last time.Time // the body is there by last, whatever its speed
}

func newPace(w http.ResponseWriter, r *http.Request) *pace {
	p := &pace{control: http.NewResponseController(w), began: time.Now()}
	if s, ok := r.Context().Value(serverKey{}).(*Server); ok {
		p.last = p.began.Add(s.http.ReadTimeout)
	}
	return p
}

// extend sets the deadline of the next read, n bytes after the beginning.
func (p *pace) extend(n int) {
	by := p.began.Add(bodyGrace + time.Duration(n)*time.Second/bodyRate)
	if !p.last.IsZero() && by.After(p.last) {
		by = p.last
	}
	_ = p.control.SetReadDeadline(by) // not in a test without a connection
}

// end lets reads go on that have nothing to do with the body.
func (p *pace) end() { _ = p.control.SetReadDeadline(p.last) }

func overLimit(limit int64) error {
	return problem.TooLarge("The body has more than " + strconv.FormatInt(limit, 10) + " bytes.")
}

// bodyFault is the fault of an error of reading a body.
func bodyFault(w http.ResponseWriter, limit int64, err error) error {
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return overLimit(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close") // the rest of the body may still come
		return problem.TooSlow("The body did not arrive in time; nothing was changed.")
	}
	return problem.BadRequest("bad_body", "The body could not be read to its end.")
}

// ReadBody reads a body of at most limit bytes. Its errors are the faults
// too_large, too_slow if the server's time for a request ends first, and bad_body.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, overLimit(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, bodyFault(w, limit, err)
	}
	return body, nil
}
