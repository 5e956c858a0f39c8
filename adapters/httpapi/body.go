package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/netip"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
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
	body := request.Body{Reader: r.Body, Length: r.ContentLength, SetDeadline: http.NewResponseController(w).SetReadDeadline}
	if s, ok := r.Context().Value(serverKey{}).(*Server); ok {
		body.Last = s.bodyDeadline()
	}
	data, err := body.Receive(e.MaxBody, func(n int64) error {
		err := e.handler.options.Bytes.Acquire(client, n)
		if err == nil {
			held += n
		}
		return err
	})
	if err != nil {
		w.Header().Set("Connection", "close")
		return held, err
	}
	r.Body = &received{r.Body, data}
	return held, nil
}

// ReadBody reads a body of at most limit bytes. Its errors are the faults
// too_large, too_slow if the server's time for a request ends first, and bad_body.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, request.TooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, exceeded := errors.AsType[*http.MaxBytesError](err); exceeded {
		return nil, request.TooLarge(limit)
	}
	if err != nil {
		err = request.BodyFault(err)
		if f := problem.Of(err, false); f.Code == "too_slow" {
			w.Header().Set("Connection", "close") // the rest of the body may still come
		}
		return nil, err
	}
	return body, nil
}
