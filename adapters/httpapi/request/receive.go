package request

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"footfall/adapters/httpapi/problem"
)

const (
	// freeBody is how many bytes of a body are not accounted.
	freeBody = 4 << 10
	// bodyGrace and bodyRate (bytes a second) are the least speed of a body: n bytes have to
	// be there bodyGrace + n/bodyRate after the header.
	bodyGrace = 5 * time.Second
	bodyRate  = 16 << 10
)

// Body is a body that has not been read.
type Body struct {
	io.Reader
	// Length is in bytes; -1 is unknown.
	Length int64
	// SetDeadline sets that of the next reads.
	SetDeadline func(time.Time) error
	// Last is when the body has to be there, whatever its speed; the zero time is none.
	Last time.Time
}

// Receive reads a body of at most limit bytes, with a least speed. It calls hold before it
// takes memory for more bytes, and returns its error. Other errors are the faults
// too_large, too_slow and bad_body. The rest of the body may still come after an error, so
// its connection has to end.
func (b Body) Receive(limit int64, hold func(n int64) error) ([]byte, error) {
	if b.Length > limit {
		return nil, TooLarge(limit)
	}
	most, factor := limit, 2 // an unknown length is accounted with at most double
	if b.Length >= 0 {
		most, factor = b.Length, 8 // a bulk of megabytes is copied seldom
	}
	began, data := time.Now(), make([]byte, 0, 512)
	for {
		if len(data) == cap(data) {
			grown := min(factor*cap(data), int(most)+1) // a read of one more finds the end
			if more := grown - max(cap(data), freeBody); more > 0 {
				if err := hold(int64(more)); err != nil {
					return nil, err
				}
			}
			data = append(make([]byte, 0, grown), data...)
		}
		b.setDeadline(began.Add(bodyGrace + time.Duration(len(data))*time.Second/bodyRate))
		n, err := b.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > most:
			return nil, TooLarge(limit)
		case errors.Is(err, io.EOF) && int64(len(data)) < b.Length: // some libraries don't tell
			return nil, BodyFault(io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			b.setDeadline(b.Last) // reads go on that have nothing to do with the body
			return data, nil
		case err != nil:
			return nil, BodyFault(err)
		}
	}
}

func (b Body) setDeadline(by time.Time) {
	if !b.Last.IsZero() && by.After(b.Last) {
		by = b.Last
	}
	_ = b.SetDeadline(by) // it fails where reads do
}

// TooLarge is the fault too_large of a body with more bytes than limit.
func TooLarge(limit int64) error {
	return problem.TooLarge("The body has more than " + strconv.FormatInt(limit, 10) + " bytes.")
}

// BodyFault is the fault of an error of reading a body: too_slow after its deadline, or
// bad_body.
func BodyFault(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.TooSlow("The body did not arrive in time; nothing was changed.")
	}
	return problem.BadRequest("bad_body", "The body could not be read to its end.")
}
