package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sentinel is one redis-server that is a Sentinel.
type Sentinel struct {
	process

	Addr     string // 127.0.0.1:port
	tls      *Authority
	password string
	dir      string
}

// Sentinels are a set that watches masters together. A master that is away for a second is
// replaced by one of its replicas if most of them agree.
type Sentinels struct {
	All []*Sentinel
}

// StartSentinels starts n Sentinels that watch nothing yet, with a password unless that is
// empty. They ask and tell each other more often than usual.
func StartSentinels(tb testing.TB, n int, password string) *Sentinels {
	tb.Helper()
	return startSentinels(tb, n, password, nil)
}

// StartSentinelsTLS is StartSentinels with TLS alone, towards the servers as well.
func StartSentinelsTLS(tb testing.TB, n int, a *Authority) *Sentinels {
	tb.Helper()
	return startSentinels(tb, n, "", a)
}

func startSentinels(tb testing.TB, n int, password string, a *Authority) *Sentinels {
	tb.Helper()
	s := &Sentinels{}
	for range n {
		s.All = append(s.All, startSentinel(tb, password, a))
	}
	return s
}

func startSentinel(tb testing.TB, password string, a *Authority) *Sentinel {
	tb.Helper()
	var err error
	for range 5 { // another process may take the port before the Sentinel does
		s := &Sentinel{Addr: FreeAddr(tb), tls: a, password: password, dir: tempDir(tb)}
		tb.Cleanup(s.Kill)
		if err = os.WriteFile(s.file(), []byte(s.config(tb)), 0o600); err != nil {
			break
		}
		if err = s.Start(); err == nil {
			s.Do(tb, "sentinel", "debug", "info-period", 300, "publish-period", 300, "ask-period", 300, "tilt-trigger", 20_000)
			return s
		}
	}
	tb.Fatal(err)
	return nil
}

func (s *Sentinel) file() string { return filepath.Join(s.dir, "sentinel.conf") }

// config is what the Sentinel starts with. It writes to the file what it learns.
func (s *Sentinel) config(tb testing.TB) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	lines := []string{"bind 127.0.0.1", "dir " + s.dir, "logfile sentinel.log"}
	if s.tls == nil {
		lines = append(lines, "port "+port)
	} else {
		cert, key := s.tls.Issue(tb, "localhost", "127.0.0.1")
		lines = append(lines, "port 0", "tls-port "+port, "tls-replication yes",
			"tls-cert-file "+cert, "tls-key-file "+key, "tls-ca-cert-file "+s.tls.File)
	}
	if s.password != "" {
		lines = append(lines, "requirepass "+s.password, "sentinel sentinel-pass "+s.password)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Start starts the Sentinel, again if it was killed, and returns when it answers.
func (s *Sentinel) Start() error {
	path, err := redisProgram()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.cmd = exec.CommandContext(context.Background(), path, s.file(), "--sentinel")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.mu.Unlock()
		return err
	}
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(s.cmd)
	s.ended = ended
	pid := fmt.Sprint("process_id:", s.cmd.Process.Pid)
	s.mu.Unlock()
	c := s.Client()
	defer func() { _ = c.Close() }()
	for began := time.Now(); ; {
		if info, err := c.Info(context.Background(), "server").Result(); err == nil && strings.Contains(info, pid) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the Sentinel on %s has ended", s.Addr)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("the Sentinel on %s is not ready", s.Addr)
		}
	}
}

// Client is a connection of the test's own.
func (s *Sentinel) Client() *redis.Client {
	o := &redis.Options{Addr: s.Addr, Password: s.password, MaxRetries: -1, ContextTimeoutEnabled: true, Protocol: 2, DisableIdentity: true}
	if s.tls != nil {
		o.TLSConfig = s.tls.client
	}
	return redis.NewClient(o)
}

// Do is a command of the test's own, which has to succeed.
func (s *Sentinel) Do(tb testing.TB, args ...any) *redis.Cmd {
	tb.Helper()
	c := s.Client()
	defer func() { _ = c.Close() }()
	cmd := c.Do(tb.Context(), args...)
	if cmd.Err() != nil {
		tb.Fatalf("%v: %v", args, cmd.Err())
	}
	return cmd
}

// forget ends Watch, unless the Sentinel has ended. One that watched the servers of all tests
// would have no time for the last ones.
func (s *Sentinel) forget(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c := s.Client()
	defer func() { _ = c.Close() }()
	_ = c.Do(ctx, "sentinel", "remove", name).Err()
}

// Addrs are the addresses of all, as in a URL.
func (s *Sentinels) Addrs() string {
	var all []string
	for _, one := range s.All {
		all = append(all, one.Addr)
	}
	return strings.Join(all, ",")
}

// Watch lets all Sentinels watch a server as the master NAME until the test ends, and
// returns when they know each other.
func (s *Sentinels) Watch(tb testing.TB, name string, server *Redis) {
	tb.Helper()
	for _, one := range s.All {
		one.Do(tb, "sentinel", "monitor", name, "127.0.0.1", server.Port(), len(s.All)/2+1)
		// A replica that replicates through a proxy of the test is left alone for as
		// long as the failover-timeout. A failover that succeeds doesn't wait for it.
		one.Do(tb, "sentinel", "set", name, "down-after-milliseconds", 1000, "failover-timeout", 60_000)
		tb.Cleanup(func() { one.forget(name) })
	}
	if len(s.All) > 1 { // one alone may learn of those of another set that watch the same server
		s.await(tb, name, "num-other-sentinels", len(s.All)-1)
	}
}

// AwaitReplica returns when all Sentinels know a replica of the master that is up.
func (s *Sentinels) AwaitReplica(tb testing.TB, name string, replica *Redis) {
	tb.Helper()
	for _, one := range s.All {
		await(tb, "the Sentinels know the replica", func() bool {
			all, _ := one.Do(tb, "sentinel", "replicas", name).Slice()
			for _, r := range all {
				fields := fieldsOf(r)
				if fields["port"] == fmt.Sprint(replica.Port()) && fields["flags"] == "slave" && fields["master-link-status"] == "ok" {
					return true
				}
			}
			return false
		})
	}
}

// Master is the address that the first Sentinel gives for a master.
func (s *Sentinels) Master(tb testing.TB, name string) string {
	tb.Helper()
	at, err := s.All[0].Do(tb, "sentinel", "get-master-addr-by-name", name).StringSlice()
	if err != nil || len(at) != 2 {
		tb.Fatalf("master %s: %v, %v", name, at, err)
	}
	return net.JoinHostPort(at[0], at[1])
}

// await returns when a field that all Sentinels have of the master has a value.
func (s *Sentinels) await(tb testing.TB, name, field string, want int) {
	tb.Helper()
	for _, one := range s.All {
		await(tb, field, func() bool {
			v, err := one.Do(tb, "sentinel", "master", name).Result()
			return err == nil && fieldsOf(v)[field] == fmt.Sprint(want)
		})
	}
}

// fieldsOf are those of a flat list of names and values.
func fieldsOf(list any) map[string]string {
	fields := make(map[string]string)
	all, _ := list.([]any)
	for i := 0; i+1 < len(all); i += 2 {
		fields[fmt.Sprint(all[i])] = fmt.Sprint(all[i+1])
	}
	return fields
}

func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for began := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			tb.Fatalf("%s: not within a minute", what)
		}
	}
}
