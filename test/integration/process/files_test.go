package process_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// withFiles is a deployment whose process may have n files open.
func withFiles(t *testing.T, n int, env ...string) *service.Deployment {
	t.Helper()
	d := service.NewDeployment(t, env...)
	script := filepath.Join(d.Dir, "limited")
	text := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec '%s' \"$@\"\n", n, d.Program)
	check.Must(t, os.WriteFile(script, []byte(text), 0o700))
	d.Program = script
	return d
}

// F22: 90 callers keep their connections open where 64 files are allowed.
func TestF22MoreConnectionsThanFilesLockNoCallerOut(t *testing.T) {
	t.Parallel()
	d := withFiles(t, 64, service.LocalCallbacks("2s", "0s")...)
	in := d.Start()
	endpoint := service.NewEndpoint(t)
	address := strings.TrimPrefix(in.Public, "http://")
	for i := range 90 {
		c := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", address))(t)
		t.Cleanup(func() { _ = c.Close() })
		check.Must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", service.AcceptPath(fmt.Sprint(i), endpoint.URL), address)
		check.Must(t, err)
		got, err := http.ReadResponse(bufio.NewReader(c), nil)
		check.Must(t, err, "connection %d", i)
		_ = got.Body.Close()
		check.Equal(t, got.StatusCode, http.StatusOK, "the status on connection %d", i)
	}
	if open := openFiles(t, in); open > 56 {
		t.Errorf("%d files are open, which leaves none to others", open)
	}
	in.Administer(http.MethodGet, "/metrics", "").Want(t, http.StatusOK)
	in.Get("/readyz").Want(t, http.StatusOK)
	service.WaitFor(t, "the endpoint is called", func() bool { return len(endpoint.Got()) > 0 })
	if n := strings.Count(in.Logged(), "connections are at their limit"); n != 1 {
		t.Errorf("it is logged %d times that connections are at their limit:\n%s", n, in.Logged())
	}
	for range 40 { // a crowd at the admin listener locks out no other caller of it
		c := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(in.Admin, "http://")))(t)
		t.Cleanup(func() { _ = c.Close() })
	}
	in.Get("/readyz").Want(t, http.StatusOK)
	in.Administer(http.MethodGet, "/ring", "").Want(t, http.StatusOK)
}

// openFiles is how many files a process has open.
func openFiles(t *testing.T, in *service.Instance) int {
	t.Helper()
	return len(check.Value(os.ReadDir(fmt.Sprintf("/proc/%d/fd", in.Cmd.Process.Pid)))(t))
}

// F22: the process has no file left when it makes its callbacks.
func TestF22ACallbackThatDidNotLeaveTheMachineIsNoAttempt(t *testing.T) {
	t.Parallel()
	d := withFiles(t, 64, service.LocalCallbacks("6s", "0s")...)
	in := d.Start()
	endpoint := service.NewEndpoint(t)
	service.Accept(t, in, 1, endpoint.URL)
	allow := func(files string) {
		out, err := exec.CommandContext(t.Context(), "prlimit", "--pid", strconv.Itoa(in.Cmd.Process.Pid), "--nofile="+files).CombinedOutput()
		check.Must(t, err, "prlimit: %s", out)
	}
	allow("3:64")
	service.WaitFor(t, "callbacks fail", func() bool {
		return strings.Contains(in.Logged(), "callbacks can't be sent") || len(d.AttemptsAt(endpoint.URL)) > 0
	})
	allow("64:64")
	service.WaitFor(t, "the endpoint is called", func() bool { return len(d.AttemptsAt(endpoint.URL)) > 0 && len(endpoint.Got()) > 0 })
	lines := d.AttemptsAt(endpoint.URL)
	if len(lines) != 1 || lines[0].Attempt != 1 || lines[0].Status != http.StatusOK {
		t.Errorf("%+v, want one attempt", lines)
	}
	if n := strings.Count(in.Logged(), "callbacks can't be sent"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, in.Logged())
	}
}
