// Package integration_test runs the built program as its users do: over HTTP,
// with signals, and through its files.
package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the path of the binary that TestMain built, and faultyProgram
// that of the same with a fault point, which is in bootstrap's tests.
var program, faultyProgram string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "footfall")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "footfall")
	faultyProgram = filepath.Join(dir, "faulty")
	for _, build := range []*exec.Cmd{
		exec.Command("go", "build", "-o", program, "footfall"),
		exec.Command("go", "test", "-c", "-o", faultyProgram, "footfall/bootstrap"),
	} {
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	// The tests wait for clocks and processes more than they compute.
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	code := m.Run()
	endSharedBroker()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// instance is one run of the program.
type instance struct {
	t           *testing.T
	cmd         *exec.Cmd
	public      string // http://host:port
	admin       string
	ready       chan struct{} // closed when it says that it is
	done        chan struct{} // closed when the process has ended
	mu          sync.Mutex
	log         strings.Builder
	releaseOnce sync.Once
}

// deployment is a folder with the store and the capture log of an instance.
type deployment struct {
	t       *testing.T
	program string
	dir     string
	env     []string
}

func newDeployment(t *testing.T, env ...string) *deployment {
	return &deployment{t: t, program: program, dir: t.TempDir(), env: env}
}

func (d *deployment) captureLog() string { return filepath.Join(d.dir, "unique_id_capture.log") }

// command is the program with the deployment's environment, and no other
// setting of Footfall.
func (d *deployment) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Dir = d.dir
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "FOOTFALL_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "FOOTFALL_LISTEN=127.0.0.1:0", "FOOTFALL_ADMIN_LISTEN=127.0.0.1:0", "FOOTFALL_LOG_FORMAT=json")
	cmd.Env = append(cmd.Env, d.env...)
	return cmd
}

// start runs the program and returns when it says that it is ready.
func (d *deployment) start() *instance {
	d.t.Helper()
	in := d.launch()
	in.awaitReady()
	return in
}

// launch runs the program.
func (d *deployment) launch() *instance {
	d.t.Helper()
	in := &instance{t: d.t, cmd: d.command(context.Background()), ready: make(chan struct{}), done: make(chan struct{})}
	stderr, err := in.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := in.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go in.follow(stderr)
	d.t.Cleanup(in.kill)
	return in
}

// awaitReady returns when the program says that it is ready.
func (in *instance) awaitReady() {
	in.t.Helper()
	select {
	case <-in.ready:
	case <-in.done:
		in.t.Fatalf("the program ended before it was ready, %v:\n%s", in.cmd.ProcessState, in.logged())
	case <-time.After(60 * time.Second):
		in.t.Fatalf("the program is not ready after 60s:\n%s", in.logged())
	}
}

// follow keeps the log and looks for the line that says where it listens.
func (in *instance) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		in.mu.Lock()
		in.log.WriteString(lines.Text() + "\n")
		in.mu.Unlock()
		var line struct {
			Msg         string `json:"msg"`
			Listen      string `json:"listen"`
			AdminListen string `json:"admin_listen"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			in.public, in.admin = "http://"+line.Listen, "http://"+line.AdminListen
			in.releaseOnce.Do(func() { close(in.ready) })
		}
	}
	_ = in.cmd.Wait()
	close(in.done)
}

func (in *instance) logged() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.log.String()
}

// kill is kill -9; it returns when the process is gone.
func (in *instance) kill() {
	_ = in.cmd.Process.Signal(syscall.SIGKILL)
	<-in.done
}

// stop is SIGTERM; it returns the exit code.
func (in *instance) stop() int {
	in.t.Helper()
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		in.t.Fatal(err)
	}
	select {
	case <-in.done:
	case <-time.After(60 * time.Second):
		in.t.Fatalf("still there 60s after SIGTERM:\n%s", in.logged())
	}
	return in.cmd.ProcessState.ExitCode()
}

// outcome of a counting request, as P2 distinguishes them.
type outcome int

const (
	acknowledged outcome = iota
	refused              // 503: not counted, and never will be
	unknown              // 504, or no answer
)

// newClient doesn't share connections with other tests.
func newClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

// outcomeOf is that of a request without an answer.
func outcomeOf(err error) outcome {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return refused
	}
	return unknown
}

func send(c *http.Client, method, url string) (outcome, string, error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return unknown, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return outcomeOf(err), "", nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil || resp.StatusCode == http.StatusGatewayTimeout:
		return unknown, "", nil
	case resp.StatusCode == http.StatusOK:
		return acknowledged, string(body), nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		return refused, string(body), nil
	}
	return unknown, "", fmt.Errorf("%s %s: %s %s", method, url, resp.Status, body)
}

// visits reads one page.
func (in *instance) visits(page string) int64 {
	in.t.Helper()
	got, body, err := send(newClient(), http.MethodGet, in.public+"/visits/"+url.PathEscape(page))
	if err != nil || got != acknowledged {
		in.t.Fatalf("GET /visits/%s: %v %v", page, got, err)
	}
	var answer struct {
		Visits int64 `json:"visits"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		in.t.Fatal(err)
	}
	return answer.Visits
}

// line of the capture log.
type line struct {
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

// lines are those of the capture log, and of what it was renamed to.
func (d *deployment) lines() []line {
	d.t.Helper()
	files, err := filepath.Glob(d.captureLog() + "*")
	if err != nil {
		d.t.Fatal(err)
	}
	var all []line
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			d.t.Fatal(err)
		}
		for text := range strings.Lines(string(b)) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				d.t.Fatalf("line %q: %v", text, err)
			}
			all = append(all, l)
		}
	}
	return all
}

// waitFor polls until ok, for things that another process does.
func waitFor(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, within)
}
