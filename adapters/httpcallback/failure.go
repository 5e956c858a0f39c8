package httpcallback

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"unicode"

	"footfall/domain/publishing"
)

// failure is an error with a text for the operator's log. It unwraps to the
// original error.
type failure struct {
	words string
	err   error
}

func (f failure) Error() string { return f.words }
func (f failure) Unwrap() error { return f.err }

// explain returns an error that says why an attempt had no answer. The text has
// nothing that the endpoint sent, no address of this machine, and none of a name
// server.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return failure{words: words(ctx, err), err: err}
}

func words(ctx context.Context, err error) string {
	var lookup *net.DNSError
	var op *net.OpError
	switch isOp := errors.As(err, &op); {
	case errors.Is(err, publishing.ErrForbidden):
		if isOp { // the dialer has put its own text before the guard's
			err = op.Err
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "no answer in time"
	case ctx.Err() != nil:
		return "abandoned before an answer"
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "host not found"
	case errors.As(err, &lookup):
		return "the look-up of its host failed"
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "the connection was closed before an answer"
	case isOp && op.Op == "dial" && op.Addr != nil:
		return "connect to " + op.Addr.String() + ": " + cause(op)
	case isOp:
		return op.Op + ": " + cause(op)
	}
	return printable(err.Error())
}

// cause returns the system's error text without the name of the system call.
func cause(op *net.OpError) string {
	var call *os.SyscallError
	if errors.As(op.Err, &call) {
		return call.Err.Error()
	}
	return printable(op.Err.Error())
}

// printable returns the beginning of s, which may quote an endpoint's
// certificate, without unprintable characters.
func printable(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s[:min(len(s), 2*most)])
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
