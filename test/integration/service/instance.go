package service

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// isStopped tells whether SIGSTOP has stopped the process.
func (in *Instance) IsStopped() bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", in.Cmd.Process.Pid)) // not there: it has ended
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

// awaitEnd returns when a fault point has killed the process.
func (in *Instance) AwaitEnd() {
	in.t.Helper()
	select {
	case <-in.Done:
	case <-time.After(60 * time.Second):
		in.t.Fatalf("the fault did not happen:\n%s", in.Logged())
	}
	if s := in.Cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		in.t.Fatalf("%v, want it killed:\n%s", in.Cmd.ProcessState, in.Logged())
	}
}

// residentKB is the memory that the process holds.
func (in *Instance) ResidentKB() int {
	in.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", in.Cmd.Process.Pid))
	if err != nil {
		in.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(text)[0])
			if err != nil {
				in.t.Fatal(err)
			}
			return kb
		}
	}
	in.t.Fatal("no VmRSS")
	return 0
}

// tool runs a command of the program against the admin listener of an instance,
// and returns what it printed.
func (in *Instance) Tool(d *Deployment, args ...string) (string, error) {
	cmd := d.Command(context.Background(), args...)
	cmd.Env = append(cmd.Env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.Admin, "http://"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// get returns the status and the body of a page, with a bearer token unless
// that is empty.
func Get(t *testing.T, address, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	c := NewClient()
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func AcceptStatus(t *testing.T, in *Instance, id, endpoint string) (status int, body string) {
	t.Helper()
	return Get(t, in.Public+"/api/verve/accept?id="+id+"&endpoint="+url.QueryEscape(endpoint), "")
}
