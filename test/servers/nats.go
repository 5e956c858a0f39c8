package servers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	natsUser     = "footfall-user"
	natsPassword = "footfall-password"
	natsPatience = time.Minute
)

// natsUsers are the users of a server: that of URL, and some with fewer rights.
const natsUsers = `authorization { users: [
	{user: footfall-user, password: footfall-password}
	{user: writer, password: footfall-password, permissions: {publish: "counts.>", subscribe: "_INBOX.>"}}
	{user: reader, password: footfall-password, permissions: {publish: {deny: "counts.>"}}}
	{user: deaf, password: footfall-password, permissions: {subscribe: {deny: "_INBOX.>"}}}
] }
`

// NATS is one nats-server with JetStream. What a stream has confirmed survives kill -9
// and a start.
type NATS struct {
	process

	Addr  string // 127.0.0.1:port
	dir   string
	login []nats.Option // of test code, which connects past the service
}

// natsProgram is built once for a run of tests, from the module beside this file.
var natsProgram = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(context.Background(), "go", "tool", "-n", "nats-server")
	cmd.Dir = filepath.Join(filepath.Dir(here), "natsserver")
	out, err := cmd.Output()
	if err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			out = ended.Stderr
		}
		return "", fmt.Errorf("build nats-server: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
})

// StartNATS starts a server that ends with the test.
func StartNATS(tb testing.TB) *NATS {
	tb.Helper()
	return startNATS(tb, func() *NATS { return OpenNATS(tb) })
}

// StartNATSWith is StartNATS with lines of configuration in place of users, and what clients
// of the tests' own need to log in.
func StartNATSWith(tb testing.TB, config string, login ...nats.Option) *NATS {
	tb.Helper()
	return startNATS(tb, func() *NATS { return openNATS(tb, config, login) })
}

func startNATS(tb testing.TB, open func() *NATS) *NATS {
	tb.Helper()
	var err error
	for range 5 { // another process may take the port before the server does
		n := open()
		if err = n.Start(); err == nil {
			return n
		}
	}
	tb.Fatal(err)
	return nil
}

// OpenNATS makes a server that is down. Start starts it, and it ends with the test.
func OpenNATS(tb testing.TB) *NATS {
	tb.Helper()
	return openNATS(tb, natsUsers, []nats.Option{nats.UserInfo(natsUser, natsPassword)})
}

// StartNATSCluster starts servers that replicate streams. It returns when they have a leader.
func StartNATSCluster(tb testing.TB, size int) []*NATS {
	tb.Helper()
	all, routes := make([]*NATS, size), make([]string, size)
	for i := range routes {
		routes[i] = FreeAddr(tb)
	}
	for i, route := range routes {
		cluster := fmt.Sprintf("server_name: s%d\ncluster: {name: footfall, listen: %q, routes: [%s]}\n", i, route, "nats://"+strings.Join(routes, ", nats://"))
		all[i] = openNATS(tb, cluster+natsUsers, []nats.Option{nats.UserInfo(natsUser, natsPassword)})
		must(tb, all[i].Start())
	}
	_, js := all[0].Connect(tb)
	err := errors.New("it was not asked")
	for late := time.Now().Add(natsPatience); err != nil && time.Now().Before(late); {
		ctx, cancel := context.WithTimeout(tb.Context(), 500*time.Millisecond) // without a leader no answer comes
		_, err = js.AccountInfo(ctx)
		cancel()
	}
	must(tb, err)
	return all
}

func openNATS(tb testing.TB, config string, login []nats.Option) *NATS {
	tb.Helper()
	n := &NATS{Addr: FreeAddr(tb), dir: tempDir(tb), login: login}
	tb.Cleanup(n.Kill)
	config = fmt.Sprintf("listen: %q\njetstream: {store_dir: %q}\n%s", n.Addr, n.dir, config)
	must(tb, os.WriteFile(n.configFile(), []byte(config), 0o600))
	return n
}

func (n *NATS) configFile() string { return filepath.Join(n.dir, "nats.conf") }
func (n *NATS) logFile() string    { return filepath.Join(n.dir, "nats.log") }

func (n *NATS) logged() string {
	log, _ := os.ReadFile(n.logFile()) // not there before the first start
	return string(log)
}

// Logins is how many logins were refused so far.
func (n *NATS) Logins() int { return strings.Count(n.logged(), "authentication error") }

// Start starts the server, again if it was killed, and returns when it takes connections.
func (n *NATS) Start() error {
	program, err := natsProgram()
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	began := len(n.logged())
	cmd := exec.CommandContext(context.Background(), program, "--config", n.configFile(), "--log", n.logFile())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	n.cmd, n.ended = cmd, ended
	late := time.After(natsPatience)
	for !strings.Contains(n.logged()[began:], "Server is ready") {
		select {
		case <-ended:
			n.cmd = nil
			return fmt.Errorf("nats-server on %s has ended:\n%s", n.Addr, n.logged()[began:])
		case <-late:
			return fmt.Errorf("nats-server on %s is not ready:\n%s", n.Addr, n.logged()[began:])
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// URL is that of a publisher to a subject, seen at addr: the server's own, or that of a
// proxy before it.
func (n *NATS) URL(addr, subject string) string {
	u := url.URL{Scheme: "nats", User: url.UserPassword(natsUser, natsPassword), Host: addr, Path: "/" + subject}
	return u.String()
}

// URLOf is URL for another user: writer may publish to counts.> and nothing else, reader may
// not, and deaf receives no answers.
func (n *NATS) URLOf(user, subject string) string {
	return strings.Replace(n.URL(n.Addr, subject), natsUser+":", user+":", 1)
}

// Secret is what must not leave a program that was given the URL.
func (n *NATS) Secret() string { return natsPassword }

// Connect connects past the service, until the test ends.
func (n *NATS) Connect(tb testing.TB) (*nats.Conn, jetstream.JetStream) {
	tb.Helper()
	conn, err := nats.Connect("nats://"+n.Addr, slices.Concat(n.login, []nats.Option{nats.Timeout(30 * time.Second)})...)
	must(tb, err)
	tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(30*time.Second))
	must(tb, err)
	return conn, js
}

// AddStream adds a stream of one subject, or changes it. Its other settings may be zero.
func (n *NATS) AddStream(tb testing.TB, subject string, config jetstream.StreamConfig) {
	tb.Helper()
	conn, js := n.Connect(tb)
	defer conn.Close()
	config.Name, config.Subjects = streamOf(subject), []string{subject}
	_, err := js.CreateOrUpdateStream(tb.Context(), config)
	must(tb, err)
}

// DeleteStream deletes the stream of a subject with all that is in it.
func (n *NATS) DeleteStream(tb testing.TB, subject string) {
	tb.Helper()
	conn, js := n.Connect(tb)
	defer conn.Close()
	must(tb, js.DeleteStream(tb.Context(), streamOf(subject)))
}

// streamOf is the name of the stream that AddStream makes: names have no dots.
func streamOf(subject string) string { return strings.ReplaceAll(subject, ".", "_") }

// Messages are those of the stream that AddStream has made, in order. There are none
// without a stream.
func (n *NATS) Messages(tb testing.TB, subject string) (all []*jetstream.RawStreamMsg) {
	tb.Helper()
	conn, js := n.Connect(tb)
	defer conn.Close()
	stream, err := js.Stream(tb.Context(), streamOf(subject))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	must(tb, err)
	state := stream.CachedInfo().State
	for at := state.FirstSeq; at > 0 && at <= state.LastSeq; at++ {
		m, err := stream.GetMsg(tb.Context(), at)
		if !errors.Is(err, jetstream.ErrMsgNotFound) { // it was deleted
			must(tb, err)
			all = append(all, m)
		}
	}
	return all
}
