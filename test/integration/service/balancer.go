package service

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"footfall/test/check"
	"footfall/test/servers"
)

// Balancer is HAProxy in front of an instance.
type Balancer struct {
	URL, Status string // where it serves, and where it says how it is
	PID         int
}

// StartBalancer runs HAProxy until the test ends, by the configuration of the stack, but for
// its addresses.
func StartBalancer(t testing.TB, in *Instance, config string) Balancer {
	t.Helper()
	addr, status, ingest := servers.FreeAddr(t), servers.FreeAddr(t), servers.FreeAddr(t)
	if in.Counts != in.Public {
		ingest = strings.TrimPrefix(in.Counts, "http://")
	}
	config = ReplaceOnce(t, config, "bind :8000", "bind "+addr, "bind :8404", "bind "+status,
		"server-template footfall 8 footfall:8000", "server footfall1 "+strings.TrimPrefix(in.Public, "http://"),
		"connect port 8000", "connect port "+in.Public[strings.LastIndexByte(in.Public, ':')+1:],
		"server-template ingest 8 footfall:8002", "server ingest1 "+ingest)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	check.Must(t, os.WriteFile(file, []byte(config), 0o600))
	var log strings.Builder
	cmd := exec.CommandContext(context.Background(), "haproxy", "-f", file)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check.Must(t, cmd.Start(), "start haproxy (scripts/install-test-servers installs it on Debian)")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	client := NewClient()
	t.Cleanup(client.CloseIdleConnections)
	WaitFor(t, "the balancer serves", func() bool {
		got, err := Request(client, http.MethodGet, "http://"+addr+"/healthz", "")
		client.CloseIdleConnections() // it would count for its source
		return err == nil && got.Status == http.StatusOK
	})
	return Balancer{URL: "http://" + addr, Status: "http://" + status, PID: cmd.Process.Pid}
}

// ReplaceOnce changes places of a text, each of which it has once: old, new, old, new ...
func ReplaceOnce(t testing.TB, text string, changes ...string) string {
	t.Helper()
	for i := 0; i < len(changes); i += 2 {
		check.Equal(t, strings.Count(text, changes[i]), 1, "places with %q", changes[i])
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}
