// Package browser_test tests the pages in a real browser. It is a module of its
// own, so that footfall's module does not need the browser's.
package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"footfall/test/servers"
)

// screenshot is where the picture for the README goes.
var screenshot = flag.String("screenshot", "", "write the picture for the README to this file")

// program is the path of the binary that TestMain built.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "footfall")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "footfall")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// startNodes starts Redis servers and returns the store's URL.
func startNodes(t *testing.T, n int) (store string, nodes []*servers.Redis) {
	t.Helper()
	var addrs []string
	for range n {
		nodes = append(nodes, servers.StartRedis(t))
		addrs = append(addrs, nodes[len(nodes)-1].Addr)
	}
	return "redis://" + strings.Join(addrs, ","), nodes
}

// startInstance runs the program until the test ends, and returns its URL.
func startInstance(t *testing.T, store string, settings ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), program)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), append([]string{
		"FOOTFALL_STORE=" + store, "FOOTFALL_LISTEN=127.0.0.1:0", "FOOTFALL_ADMIN_LISTEN=127.0.0.1:0", "FOOTFALL_LOG_FORMAT=json",
	}, settings...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ready := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			var line struct{ Msg, Listen string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- "http://" + line.Listen
			}
		}
	}()
	select {
	case url := <-ready:
		return url
	case <-time.After(time.Minute):
		t.Fatal("the program is not ready after a minute")
		return ""
	}
}

// ask sends a request and expects 200.
func ask(t *testing.T, method, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, url, answer.Status, body, err)
	}
	return string(body)
}

// browser starts a browser for the test; every tab is made of its context.
func browser(t *testing.T) context.Context {
	t.Helper()
	late, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(late, options...) // as root it does without a sandbox
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v (scripts/install-test-servers chromium installs one on Debian)", err)
	}
	return ctx
}

// tab opens a page and collects the errors that the browser reports.
func tab(t *testing.T, parent context.Context, steps ...chromedp.Action[chromedp.Void]) (context.Context, *complaints) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	c := listen(t, ctx)
	do(t, ctx, steps...)
	return ctx, c
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// get runs an action and returns its value.
func get[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// eventually polls an expression of the page until it is what is wanted.
func eventually(t *testing.T, ctx context.Context, expression, want string) {
	t.Helper()
	var got string
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		// During a navigation there is no page to evaluate in.
		if value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")")); err == nil {
			got = value
		}
		if got == want {
			return
		}
	}
	t.Fatalf("%s is %q, want %q", expression, got, want)
}
