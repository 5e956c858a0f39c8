package redisnode

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// harmless tells whether Redis gives an answer only before it executes anything.
func harmless(answer string) bool {
	return begins(answer, "NOSCRIPT", "LOADING", "READONLY", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS",
		"NOAUTH", "WRONGPASS", "NOPERM", tooManyClients, "ERR invalid password")
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
func (n *Node) words(says string) string {
	says, _, _ = strings.Cut(says, " script: ")
	if user := n.client.Load().Options().Username; user != "" {
		says = strings.ReplaceAll(says, "User "+user+" ", "The user ")
	}
	return says
}

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
func (n *Node) failed(err error) error {
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

// probe returns the first of the commands that the user may not run on a key of Footfall.
func probe() string {
	mayRun, _ := sources.ReadFile("lua/rights.lua") // the files are part of the program
	return string(mayRun) + `for _, name in ipairs(ARGV) do
  if not may_run(name) then return name end
end
return ''`
}

// commands are those that the scripts run.
func commands() (names []any) {
	files, _ := fs.Glob(sources, "lua/*.lua")
	calls := regexp.MustCompile(`call\('([A-Z]+)'`)
	seen := make(map[string]bool)
	for _, file := range files {
		text, _ := sources.ReadFile(file) // the files are part of the program
		for _, call := range calls.FindAllSubmatch(text, -1) {
			if name := string(call[1]); !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// preflight checks the server at the start of every connection. It refuses a server
// that could evict counts. It logs a warning for a server that could lose them in a
// crash.
func (n *Node) preflight(ctx context.Context, c *redis.Conn) error {
	info, err := c.InfoMap(ctx, "server", "memory", "persistence", "replication").Result()
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "NOPERM"):
		return setup("%s: INFO is needed, and what docs/redis.md lists", n.words(err.Error()))
	case err != nil && isSetup(err):
		return refusedAtOnce(n.words(err.Error()))
	case err != nil:
		return notApplied(err)
	}
	if err := n.checkKind(ctx, c, info); err != nil {
		return err
	}
	if n.db > 0 { // other kinds of servers refuse it, and say less than checkKind
		if err := c.Select(ctx, n.db).Err(); err != nil && begins(err.Error(), "ERR") {
			return refusedAtOnce(err.Error())
		} else if err != nil {
			return notApplied(err)
		}
	}
	if info["Persistence"]["loading"] == "1" { // it writes no append-only file now, whatever its setting
		const says = "LOADING Redis is loading the dataset in memory"
		return notApplied(&counting.ServerError{Says: says, Err: errors.New(says)})
	}
	version := info["Server"]["redis_version"]
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // what is no version is 0.0
	if major < 7 {
		return setup("redis %s is too old, want 7.0 or later", version)
	}
	if missing, err := c.Eval(ctx, probe(), nil, n.commands...).Text(); err == nil && missing != "" {
		return setup("the user may not run %s; docs/redis.md lists the rights that are needed", missing)
	} else if err != nil && isSetup(err) {
		return refusedAtOnce(n.words(err.Error()))
	}
	if policy := info["Memory"]["maxmemory_policy"]; policy != "" && policy != "noeviction" && info["Memory"]["maxmemory"] != "0" {
		return setup("maxmemory-policy is %s, so redis may delete counts: want noeviction", policy)
	}
	if info["Persistence"]["aof_enabled"] == "0" && n.warned.CompareAndSwap(false, true) {
		n.log.Warn("redis keeps no append-only file, so a crash of it loses counts: set its appendonly to yes, unless they may be lost", "node", n.id)
	}
	n.warnOfReplicas(info["Replication"])
	hasWaitAOF := major > 7 || minor >= 2
	if info["Persistence"]["aof_enabled"] == "1" && hasWaitAOF {
		// A server that hides its configuration is assumed to have the default.
		how, err := c.ConfigGet(ctx, "appendfsync").Result()
		n.syncing.Store(err != nil || how["appendfsync"] == "everysec")
	}
	return nil
}
