package httpcallback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"

	"footfall/domain/publishing"
)

// errUnsent: an attempt did not leave this machine.
var errUnsent = errors.New("not sent")

// localFault returns why this machine had no means to connect, or to look the host up;
// nil if that is not what failed.
func localFault(err error) error {
	op, isOp := errors.AsType[*net.OpError](err)
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	// Without IPv6, connections to its addresses have no address to begin at: that is
	// the endpoint's fault, and not a lack of ports.
	if isOp && op.Op == "dial" && errors.Is(op.Err, syscall.EADDRNOTAVAIL) {
		to, _ := op.Addr.(*net.TCPAddr)
		if to != nil && to.IP.To4() != nil {
			return syscall.EADDRNOTAVAIL
		}
	}
	for _, known := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if isOp && op.Op == "dial" && errors.Is(op.Err, known) || isLookup && strings.HasSuffix(lookup.Err, known.Error()) {
			return known
		}
	}
	return nil
}

// explain returns an error that says why an attempt had no answer. The text has
// nothing that the endpoint sent, no address of this machine, and none of a name
// server. It wraps publishing.ErrForbidden if err does.
func explain(ctx context.Context, err error) error {
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	via, isVia := errors.AsType[proxyError](err)
	switch {
	case err == nil:
		return nil
	case isVia:
		return proxyError{explain(ctx, via.cause), via.target}
	case isOp && errors.Is(op.Err, publishing.ErrForbidden):
		return op.Err // without the text that the dialer has put before it
	case errors.Is(err, publishing.ErrForbidden):
		return publishing.ErrForbidden
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("no answer in time")
	case ctx.Err() != nil:
		return errors.New("abandoned before an answer")
	case localFault(err) != nil:
		return fmt.Errorf("%w: %w", errUnsent, localFault(err))
	case isLookup && lookup.IsNotFound:
		return errors.New("host not found")
	case isLookup:
		return errors.New("the look-up of its host failed")
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return errors.New("the connection was closed before an answer")
	case isOp && op.Op == "dial" && op.Addr != nil:
		return errors.New("connect to " + op.Addr.String() + ": " + cause(op))
	case isOp:
		return errors.New(op.Op + ": " + cause(op))
	}
	return errors.New(printable(err.Error()))
}

// cause returns the system's error text without the name of the system call.
func cause(op *net.OpError) string {
	if call, ok := errors.AsType[*os.SyscallError](op.Err); ok {
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
