// Package service starts the built program as its users do, and talks to it over
// HTTP, with signals, and through its files. The folders beside it hold the tests.
package service

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
)

// programs are the binaries under test. Each is built when a test first needs it.
type programs struct {
	normal, fault   func() string
	older, previous func() (string, error)
}

var built programs //nolint:gochecknoglobals // built once for all tests of a folder

var other = flag.String("service.program", "", "a program to test instead: an older version shows which tests fail without a change") //nolint:gochecknoglobals // a flag of the tests

// Program is the path of the program as users build it. Make builds it without the profile.
func Program() string {
	if *other != "" {
		return *other
	}
	return built.normal()
}

// FaultyProgram is the path of the program with a fault point, which is the test
// binary of bootstrap.
func FaultyProgram() string { return built.fault() }

// Main runs the tests of a folder and returns the exit code for os.Exit.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "footfall")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	defer endSharedBroker()
	build := func(name, source string, args ...string) func() string {
		return sync.OnceValue(func() string {
			path := filepath.Join(dir, name)
			cmd := exec.CommandContext(context.Background(), "go", append(args, "-ldflags=-s -w", "-o", path, source)...)
			_, here, _, _ := runtime.Caller(0)
			cmd.Dir = filepath.Dir(here) // the browser's tests are another module
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				panic(fmt.Sprintf("build: %v\n%s", err, out))
			}
			return path
		})
	}
	at := func(commit string) func() (string, error) {
		return sync.OnceValues(func() (string, error) { return buildOlder(dir, commit) })
	}
	built = programs{build("footfall", "footfall", "build"), build("faulty", "footfall/bootstrap", "test", "-c"), at(olderCommit), at(previousCommit)}
	// The tests wait for clocks and processes more than they compute.
	flag.Parse()
	_ = flag.Set("test.parallel", "12")
	return m.Run()
}

// Instance is one run of the program.
type Instance struct {
	t           testing.TB
	deployment  *Deployment
	Cmd         *exec.Cmd
	Public      string // http://host:port
	Counts      string // the ingest listener if the settings have one, or else Public
	Admin       string
	Ready       chan struct{} // closed when it says that it is
	Done        chan struct{} // closed when the process has ended
	mu          sync.Mutex
	log         strings.Builder
	releaseOnce sync.Once
}

// Deployment is a folder with the store and the capture log of an instance.
type Deployment struct {
	T       testing.TB
	Program string
	Dir     string
	Env     []string
}

// NewDeployment returns a deployment of the program as users build it, in a new folder.
// env has settings as NAME=value.
func NewDeployment(t testing.TB, env ...string) *Deployment {
	return &Deployment{T: t, Program: Program(), Dir: t.TempDir(), Env: env}
}

// CaptureLog is the path of the capture log.
func (d *Deployment) CaptureLog() string { return filepath.Join(d.Dir, "unique_id_capture.log") }

// Command is the program with the deployment's environment, and no other
// setting of Footfall or of its collector.
func (d *Deployment) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.Program, args...)
	cmd.Dir = d.Dir
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "FOOTFALL_") && !strings.HasPrefix(e, "GOGC=") { // make sets that for the tests themselves
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "FOOTFALL_LISTEN=127.0.0.1:0", "FOOTFALL_ADMIN_LISTEN=127.0.0.1:0", "FOOTFALL_LOG_FORMAT=json")
	cmd.Env = append(cmd.Env, d.Env...)
	return cmd
}

// Start runs the program and returns when it says that it is ready.
func (d *Deployment) Start() *Instance {
	d.T.Helper()
	in := d.Launch()
	in.AwaitReady()
	return in
}

// Launch runs the program.
func (d *Deployment) Launch() *Instance {
	d.T.Helper()
	in := &Instance{t: d.T, deployment: d, Cmd: d.Command(context.Background()), Ready: make(chan struct{}), Done: make(chan struct{})}
	stderr := check.Value(in.Cmd.StderrPipe())(d.T)
	check.Must(d.T, in.Cmd.Start())
	go in.follow(stderr)
	d.T.Cleanup(in.Kill)
	return in
}

// AwaitReady returns when the program says that it is ready.
func (in *Instance) AwaitReady() {
	in.t.Helper()
	select {
	case <-in.Ready:
	case <-in.Done:
		in.t.Fatalf("the program ended before it was ready, %v:\n%s", in.Cmd.ProcessState, in.Logged())
	case <-time.After(patience):
		in.t.Fatalf("the program is not ready after %v:\n%s", patience, in.Logged())
	}
}

// follow keeps the log and looks for the line that says where it listens.
func (in *Instance) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		in.mu.Lock()
		in.log.WriteString(lines.Text() + "\n")
		in.mu.Unlock()
		var line struct {
			Msg          string `json:"msg"`
			Listen       string `json:"listen"`
			IngestListen string `json:"ingest_listen"`
			AdminListen  string `json:"admin_listen"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			in.Public, in.Admin = "http://"+line.Listen, "http://"+line.AdminListen
			in.Counts = "http://" + cmp.Or(line.IngestListen, line.Listen)
			in.releaseOnce.Do(func() { close(in.Ready) })
		}
	}
	_ = in.Cmd.Wait()
	close(in.Done)
}

// Logged is what the program has logged so far.
func (in *Instance) Logged() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.log.String()
}

// Kill is kill -9; it returns when the process is gone.
func (in *Instance) Kill() {
	_ = in.Cmd.Process.Signal(syscall.SIGKILL)
	<-in.Done
}

// Stop is SIGTERM; it returns the exit code.
func (in *Instance) Stop() int {
	in.t.Helper()
	check.Must(in.t, in.Cmd.Process.Signal(syscall.SIGTERM))
	Await(in.t, "the program ends after SIGTERM", in.Done)
	return in.Cmd.ProcessState.ExitCode()
}

// Line of the capture log.
type Line struct {
	Time        time.Time `json:"time"`
	Event       string    `json:"event"`
	ID          string    `json:"id"`
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	Count       int64     `json:"count"`
	Endpoint    string    `json:"endpoint"`
	Attempt     int       `json:"attempt"`
	Error       string    `json:"error"`
	Status      int       `json:"status"`
	Response    string    `json:"response"`
}

// Lines are those of the capture log, and of what it was renamed to.
func (d *Deployment) Lines() []Line {
	d.T.Helper()
	files := check.Value(filepath.Glob(d.CaptureLog() + "*"))(d.T)
	var all []Line
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			d.T.Fatal(err)
		}
		for text := range strings.Lines(string(b)) {
			var l Line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				d.T.Fatalf("line %q: %v", text, err)
			}
			all = append(all, l)
		}
	}
	return all
}

// patience is how long tests wait for what other processes do: much longer than a
// machine that does twenty things at once needs.
const patience = 5 * time.Minute

// WaitFor polls until ok, for things that another process does. Each look is work for
// several processes, so that there are fewer of them the longer it takes.
func WaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	rest := 20 * time.Millisecond
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(rest) {
		rest = min(rest+time.Millisecond, 100*time.Millisecond)
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, patience)
}

// Await returns what comes from a channel, or that it is closed.
func Await[T any](t testing.TB, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("%s: not within %v", what, patience)
	}
	return v
}
