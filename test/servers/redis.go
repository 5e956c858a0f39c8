// Package servers starts the real servers that tests need, on free ports and
// in temporary folders, and ends them with the test.
package servers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is one redis-server with an append-only file that is synced at every
// write, so that kill -9 and restart lose nothing.
type Redis struct {
	process

	Addr string // 127.0.0.1:port
	// Clock is nil unless StartRedisWithClock has made the server.
	Clock *Clock
	tls   *Authority // nil: none
	dir   string
	args  []string
	env   []string
}

// StartRedis starts a server with further arguments (as --name value) behind
// the usual ones. FOOTFALL_TEST_REDIS names its program, another version or Valkey, in
// place of redis-server. A machine without it fails the test.
func StartRedis(tb testing.TB, args ...string) *Redis {
	tb.Helper()
	return startRedis(tb, nil, false, nil, args)
}

// StartRedisTLS is StartRedis with TLS alone. The authority signs the server's certificate,
// for 127.0.0.1 and localhost, and those that clients need.
func StartRedisTLS(tb testing.TB, a *Authority, args ...string) *Redis {
	tb.Helper()
	return startRedis(tb, nil, false, a, append(certified(tb, a), args...))
}

// certified are arguments of a server with a certificate of an authority.
func certified(tb testing.TB, a *Authority) []string {
	tb.Helper()
	cert, key := a.Issue(tb, "localhost", "127.0.0.1")
	return []string{"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", a.File}
}

// Renew lets the next Start of a server with TLS have another authority, for itself and
// for its clients.
func (r *Redis) Renew(tb testing.TB, a *Authority) {
	tb.Helper()
	r.tls, r.args = a, append(r.args, certified(tb, a)...)
}

// StartRedisWithClock is StartRedis with a clock that can be set. It needs a C compiler.
func StartRedisWithClock(tb testing.TB, args ...string) *Redis {
	tb.Helper()
	return startRedis(tb, nil, true, nil, args)
}

// RestoreRedis starts a server from a copy of a snapshot (an RDB file). It
// writes no append-only file.
func RestoreRedis(tb testing.TB, snapshot string) *Redis {
	tb.Helper()
	data, err := os.ReadFile(snapshot)
	if err != nil {
		tb.Fatal(err)
	}
	return startRedis(tb, data, false, nil, []string{"--appendonly", "no"})
}

// Copy starts a server at another address with a copy of what this one has on its disk.
func (r *Redis) Copy(tb testing.TB) *Redis {
	tb.Helper()
	var err error
	for range 5 { // another process may take the port before the server does
		c := &Redis{Addr: FreeAddr(tb), tls: r.tls, dir: tempDir(tb), args: r.args}
		tb.Cleanup(c.Kill)
		if err = os.CopyFS(c.dir, os.DirFS(r.dir)); err != nil {
			break
		}
		if err = c.Start(); err == nil {
			return c
		}
	}
	tb.Fatal(err)
	return nil
}

func startRedis(tb testing.TB, snapshot []byte, clock bool, a *Authority, args []string) *Redis {
	tb.Helper()
	var err error
	for range 5 { // another process may take the port before the server does
		r := &Redis{Addr: FreeAddr(tb), tls: a, dir: tempDir(tb), args: args}
		tb.Cleanup(r.Kill)
		if clock {
			r.Clock, r.env = newServerClock(tb, r.dir)
			// This thread spins while the clock stands still.
			r.args = append([]string{"--jemalloc-bg-thread", "no"}, args...)
		}
		if snapshot != nil {
			if err := os.WriteFile(filepath.Join(r.dir, "dump.rdb"), snapshot, 0o600); err != nil {
				tb.Fatal(err)
			}
		}
		if err = r.Start(); err == nil {
			return r
		}
	}
	tb.Fatal(err)
	return nil
}

// tempDir is like tb.TempDir, but a server that is still writing at the end
// doesn't fail the test.
func tempDir(tb testing.TB) string {
	dir, err := os.MkdirTemp("", "footfall-redis") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// FreeAddr is a free address of this machine.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	addr, err := freeAddress(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}

// freeAddress is below the ports that systems give to clients, which would
// take that of a server while it is down.
func freeAddress(ctx context.Context) (addr string, err error) {
	for range 100 {
		var l net.Listener
		var lc net.ListenConfig
		if l, err = lc.Listen(ctx, "tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// Port is the one that the server listens on.
func (r *Redis) Port() int {
	_, port, _ := net.SplitHostPort(r.Addr)
	n, _ := strconv.Atoi(port)
	return n
}

// Start starts the server, again if it was killed, and returns when it answers
// and has loaded what it had.
func (r *Redis) Start() error {
	path, err := redisProgram()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	args := []string{"--port", strconv.Itoa(r.Port())}
	if r.tls != nil {
		args = []string{"--port", "0", "--tls-port", strconv.Itoa(r.Port())}
	}
	args = append(args,
		"--bind", "127.0.0.1", "--dir", r.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--logfile", "redis.log", "--enable-debug-command", "yes")
	args = append(args, r.args...)
	// Its log says so, not the port: a server of another process may answer there.
	began := r.logged()
	r.cmd = exec.CommandContext(context.Background(), path, args...)
	r.cmd.Env = append(os.Environ(), r.env...)
	// A test that is killed takes its servers along.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(r.cmd)
	r.ended = ended
	late := time.After(2 * time.Minute) // on a busy machine
	for !strings.Contains(r.logged()[len(began):], "Ready to accept connections") {
		select {
		case <-ended:
			return fmt.Errorf("%s on %s has ended:\n%s", path, r.Addr, r.logged()[len(began):])
		case <-late:
			return fmt.Errorf("%s on %s is not ready:\n%s", path, r.Addr, r.logged()[len(began):])
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (r *Redis) logged() string {
	log, _ := os.ReadFile(filepath.Join(r.dir, "redis.log")) // not there before the first start
	return string(log)
}

// Dir is the folder with the server's data.
func (r *Redis) Dir() string { return r.dir }

// PID is the server's process.
func (r *Redis) PID() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd.Process.Pid
}

// Client is a connection of the test's own, past the service.
func (r *Redis) Client() *redis.Client {
	o := &redis.Options{Addr: r.Addr, MaxRetries: -1, Protocol: 2, DisableIdentity: true}
	if r.tls != nil {
		o.TLSConfig = r.tls.client
	}
	return redis.NewClient(o)
}
