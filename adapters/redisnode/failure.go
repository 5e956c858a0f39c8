package redisnode

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// harmless tells whether Redis gives an answer only before it executes anything.
func harmless(answer string) bool {
	return begins(answer, "NOSCRIPT", "LOADING", "READONLY", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS",
		"NOAUTH", "WRONGPASS", "NOPERM", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", tooManyClients, "ERR invalid password")
}

// begins tells whether an answer begins with one of some words.
func begins(answer string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(answer, word) })
}

// notApplied is an error of a call that had no effect.
func notApplied(err error) error { return counting.Mark(err, counting.ErrNotApplied) }

// setup makes the error of a server that only an operator can mend, and that may not have
// an address in it. It wraps two errors: the client returns what an error of preflight
// wraps, if that is one.
func setup(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return unusable(err.Error(), err)
}

// unusable is setup for an error with an address in it.
func unusable(says string, err error) error {
	return counting.Mark(&counting.ServerError{Says: says, Err: err}, counting.ErrUnusable)
}

// refusedAtOnce is setup for what the server says to the first commands.
func refusedAtOnce(says string) error {
	return unusable(says, errors.New(withAdvice(errors.New(says))))
}

// withAdvice is the text of an error of isSetup, with what an operator can do.
func withAdvice(err error) string {
	text, authority := strings.TrimSuffix(err.Error(), "."), x509.UnknownAuthorityError{}
	switch {
	case begins(text, "NOAUTH", "WRONGPASS", "ERR invalid password", "ERR AUTH"):
		text += "; correct user and password in FOOTFALL_STORE, which are those of every server"
	case errors.As(err, &authority):
		text += "; name the file of its authority in FOOTFALL_STORE: ca=FILE"
	}
	return text
}

// words are what the server says, without the user's name. Scripts add to it where they
// failed.
func (n *store) words(says string) string { return n.servers.checks().words(says) }

// isSetup tells whether an answer to the first commands, or a failure to connect, is one
// that only an operator can mend: credentials, rights or certificates. None of them comes
// after a call was sent.
func isSetup(err error) bool {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var dial dialError
	var alert *net.OpError
	return errors.As(err, &dial) && errors.As(err, &alert) && alert.Op == "remote error" || // of TLS
		begins(err.Error(), "NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password", "ERR AUTH") ||
		errors.As(err, &authority) || errors.As(err, &name)
}

// isClosed tells whether the other end has closed the connection of a call.
func isClosed(err error) bool {
	return !errors.As(err, new(dialError)) && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// failed translates an error of the client. It wraps counting.ErrNotApplied if the call
// had no effect, a counting.ServerError if the server has refused it whole, and a
// counting.SilenceError if no answer came.
func (n *store) failed(err error) error {
	err, refused := classified(err), redis.Error(nil)
	switch {
	case counting.ServerSays(err) != "":
	case errors.As(err, &refused):
		if harmless(refused.Error()) {
			return &counting.ServerError{Says: n.words(refused.Error()), Err: err}
		}
	default:
		if why := silence(err); why != "" {
			return &counting.SilenceError{Why: why, Err: err}
		}
	}
	return err
}

// silence is why no answer came, for a counting.SilenceError; empty if that is not known.
func silence(err error) string {
	var unknown *net.DNSError
	var number syscall.Errno
	switch {
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return "no connection to it is free"
	case errors.As(err, &unknown):
		return "no address is found for its name"
	case isUnconnected(err) && isLate(err):
		return "no connection in time"
	case isUnconnected(err) && errors.As(err, &number):
		return number.Error()
	case isUnconnected(err):
		return "no connection"
	case isLate(err):
		return "connected, but no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "it closes connections"
	}
	return ""
}

// isUnconnected tells whether no connection came about. Where the server took it and then
// said nothing, one did.
func isUnconnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isLate tells whether the time was over.
func isLate(err error) bool {
	var late net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout()
}

// classified wraps the error of the domain for an error of the client.
func classified(err error) error {
	var refused redis.Error
	var dial dialError
	switch {
	case errors.Is(err, redis.ErrClosed):
		return counting.ErrClosed
	case errors.Is(err, counting.ErrUnusable):
		return err
	case isSetup(err):
		return counting.Mark(counting.Mark(errors.New(withAdvice(err)), err), counting.ErrUnusable)
	case errors.As(err, &refused) && begins(err.Error(), "OOM"):
		return counting.Mark(notApplied(plain(err)), counting.ErrNoRoom)
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted),
		errors.As(err, &dial),
		errors.As(err, &refused) && harmless(err.Error()):
		return notApplied(plain(err))
	}
	return plain(err)
}

// plain is an error of the client in words for an operator.
func plain(err error) error {
	switch {
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return counting.Mark(errors.New("no connection to it is free"), err)
	case isUnconnected(err) && isLate(err):
		return counting.Mark(errors.New("no connection in time"), err)
	case isLate(err):
		return counting.Mark(errors.New("no answer in time"), err)
	}
	return err
}
