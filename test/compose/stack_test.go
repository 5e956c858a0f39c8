//go:build compose

// Package compose_test brings the stacks of docker-compose.yml and deploy/ up, and does to
// them what users and accidents do. It needs a Docker engine: make test-compose.
package compose_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stack is one project of docker compose, with containers, networks, volumes
// and an image of its own.
type stack struct {
	t       *testing.T
	project string
	env     []string
	down    func()
}

// newStack prepares the stack of docker-compose.yml.
func newStack(t *testing.T) *stack {
	t.Helper()
	return newStackOf(t, "docker-compose.yml", "test/compose/compose.test.yml")
}

// newStackOf prepares a stack of files, named from the root of the repository. It is taken
// down with its volumes at the end of the test, also when a signal ends it.
func newStackOf(t *testing.T, files ...string) *stack {
	t.Helper()
	for i, file := range files {
		path, err := filepath.Abs(filepath.Join("../..", file)) // also for scripts, which have another folder
		if err != nil {
			t.Fatal(err)
		}
		files[i] = path
	}
	project := "footfall-test-" + strings.ToLower(rand.Text()[:10])
	s := &stack{t: t, project: project, env: append(os.Environ(),
		"COMPOSE_PROJECT_NAME="+project, "COMPOSE_PROGRESS=plain", "COMPOSE_PROFILES=",
		"COMPOSE_FILE="+strings.Join(files, string(os.PathListSeparator)),
		"COMPOSE_ENV_FILES="+os.DevNull, // no setting of the user who runs the test
		"FOOTFALL_VERSION="+project, "FOOTFALL_PORT=0", "FOOTFALL_WINDOW=5s",
		"FOOTFALL_ADMIN_LISTEN=:8001", "FOOTFALL_ADMIN_TOKEN="+rand.Text(),
		"FOOTFALL_CALLBACK_ALLOW=none", "FOOTFALL_CALLBACK_SECRET=whsec_"+base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text())),
		"REDIS_PASSWORD="+rand.Text(), "RABBITMQ_PASSWORD="+rand.Text(),
		"PROMETHEUS_PORT=0", "GRAFANA_PORT=0",
	)}
	s.down = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		for _, args := range [][]string{
			{"compose", "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "1"},
			{"image", "rm", "--force", "footfall:" + project},
		} {
			if out, err := s.command(ctx, args...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "docker %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	})
	t.Cleanup(s.down)
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	context.AfterFunc(signals, func() {
		if t.Context().Err() == nil { // a signal, not the end of the test
			s.down()
			os.Exit(1)
		}
	})
	return s
}

func (s *stack) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = s.env
	return cmd
}

// run is a docker command that has to succeed; it returns what it prints.
func (s *stack) run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := s.command(ctx, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// up brings the stack up, or what is missing of it, and returns when the
// balancer answers for instances that can serve.
func (s *stack) up(t *testing.T, args ...string) {
	t.Helper()
	began := time.Now()
	s.run(t, append([]string{"compose", "up", "--detach"}, args...)...)
	s.awaitReady(t)
	t.Logf("up after %v", time.Since(began).Round(100*time.Millisecond))
}

func (s *stack) awaitReady(t *testing.T) {
	t.Helper()
	base := s.url(t, "balancer", 1, 8000)
	waitFor(t, "the balancer has an instance that can serve", func() bool {
		status, _ := get(t, base+"/readyz")
		return status == 200
	})
}

// container is the id of the n-th container of a service, also of one that is stopped.
func (s *stack) container(t *testing.T, service string, n int) string {
	t.Helper()
	name := fmt.Sprintf("%s-%s-%d", s.project, service, n)
	return s.run(t, "container", "inspect", "--format", "{{.Id}}", name)
}

// url is where a port of a container is found on this machine. It changes
// when the container is started again.
func (s *stack) url(t *testing.T, service string, n, port int) string {
	t.Helper()
	return "http://" + s.addr(t, service, n, port)
}

func (s *stack) addr(t *testing.T, service string, n, port int) string {
	t.Helper()
	lines := s.run(t, "port", s.container(t, service, n), fmt.Sprint(port))
	first, _, _ := strings.Cut(lines, "\n")
	return strings.Replace(first, "0.0.0.0:", "127.0.0.1:", 1)
}

// kill is kill -9; it returns when the container has seen it.
func (s *stack) kill(t *testing.T, id string) {
	t.Helper()
	s.run(t, "kill", "--signal", "KILL", id)
	if code := s.run(t, "wait", id); code != "137" {
		t.Errorf("exit code %s after kill -9: it did not happen", code)
	}
}

// stop is SIGTERM, and then the stop period of docker-compose.yml; the
// container must end by itself within it, with the exit code 0.
func (s *stack) stop(t *testing.T, id string) {
	t.Helper()
	s.run(t, "stop", "--time", "60", id)
	if code := s.run(t, "wait", id); code != "0" {
		t.Errorf("exit code %s after a clean stop", code)
	}
}

func (s *stack) start(t *testing.T, id string) {
	t.Helper()
	s.run(t, "start", id)
}

// cut takes a container off a network of the stack; the way back is returned.
func (s *stack) cut(t *testing.T, id, service, network string) (join func()) {
	t.Helper()
	network = s.project + "_" + network
	s.run(t, "network", "disconnect", network, id)
	if left := s.run(t, "network", "inspect", "--format", "{{json .Containers}}", network); strings.Contains(left, id) {
		t.Error("the container is still on its network: it was not cut off")
	}
	return func() {
		t.Helper()
		s.run(t, "network", "connect", "--alias", service, network, id)
	}
}

// waitFor polls until ok, for what other processes do on a busy machine.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 3m", what)
}
