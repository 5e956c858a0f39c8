package runbook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// program is an example that runs until it is stopped, with the file to which it appends counts.
type program struct {
	t    *testing.T
	args []string
	env  string
	file string
	cmd  *exec.Cmd
	done chan struct{}
	log  *logged
}

// logged is what a program has written. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eachLanguage runs a test for the example of this name in Go and in Python.
func eachLanguage(t *testing.T, name string, test func(t *testing.T, command ...string)) {
	t.Helper()
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		built := filepath.Join(t.TempDir(), name)
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", built, "footfall/examples/"+name+"-go").CombinedOutput()
		check.Must(t, err, "build: %s", out)
		test(t, built)
	})
	t.Run("Python", func(t *testing.T) {
		t.Parallel()
		test(t, servers.Python(t), "-B", "../../examples/"+name+".py")
	})
}

// start starts the example, again after it has ended.
func (p *program) start() {
	p.t.Helper()
	p.log, p.done = &logged{}, make(chan struct{})
	p.cmd = exec.CommandContext(context.Background(), p.args[0], p.args[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), p.env), p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that takes too long ends without its cleanups
	check.Must(p.t, p.cmd.Start())
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(p.cmd, p.done)
	p.t.Cleanup(p.kill)
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop is SIGTERM, after which the example ends without an error.
func (p *program) stop() {
	p.t.Helper()
	check.Must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	service.Await(p.t, "the example ends after SIGTERM", p.done)
	check.Equal(p.t, p.cmd.ProcessState.ExitCode(), 0, "the exit code; the log is %s", p.log)
}

// says waits until the log has a text n times.
func (p *program) says(text string, n int) {
	p.t.Helper()
	service.WaitFor(p.t, fmt.Sprintf("%q %d times", text, n), func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("the example has ended: %s", p.log)
		default:
		}
		return strings.Count(p.log.String(), text) >= n
	})
}

// counts are those of the file, which has none twice, and no line that isn't complete.
func (p *program) counts() map[string]int64 {
	p.t.Helper()
	all := make(map[string]int64)
	text, err := os.ReadFile(p.file)
	if os.IsNotExist(err) {
		return all
	}
	check.Must(p.t, err)
	for line := range strings.Lines(string(text)) {
		var l service.Line
		if !strings.HasSuffix(line, "\n") {
			continue // it is being written
		}
		check.Must(p.t, json.Unmarshal([]byte(line), &l), "%s", line)
		if _, twice := all[l.ID]; twice {
			p.t.Errorf("%s is there twice", l.ID)
		}
		all[l.ID] = l.Count
	}
	return all
}

// body is that of a window in the past, with the number n.
func body(n int) (id, text string) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	id = "test_" + start.Format("20060102T150405Z")
	return id, fmt.Sprintf(`{"id":%q,"window_start":%q,"window_end":%q,"count":%d}`, id, start.Format(time.RFC3339), start.Add(time.Minute).Format(time.RFC3339), n)
}

// fillCounts writes a file with more ids than an example remembers, and a part of a line at its end.
func fillCounts(t *testing.T, file string) {
	t.Helper()
	var text strings.Builder
	for n := range 10_001 {
		_, line := body(n)
		text.WriteString(line + "\n")
	}
	_, torn := body(10_001)
	check.Must(t, os.WriteFile(file, []byte(text.String()+torn[:30]), 0o600))
}

// listens starts a receiver, and returns the URL to which callbacks go.
func (p *program) listens() string {
	p.t.Helper()
	p.start()
	p.says("listening", 1)
	addr := regexp.MustCompile(`addr=(\S+)\s`)
	service.WaitFor(p.t, "the receiver says where it listens", func() bool { return addr.MatchString(p.log.String()) })
	host, port, err := net.SplitHostPort(addr.FindStringSubmatch(p.log.String())[1])
	check.Must(p.t, err)
	return "http://" + net.JoinHostPort(host, port) + "/hook"
}
