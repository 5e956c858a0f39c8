package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	rabbitUser     = "footfall-user"
	rabbitPassword = "footfall-password"
	// rabbitPatience is for a cold start on a busy machine; alone it takes
	// six seconds. A start that logs nothing for rabbitStuck goes on no more.
	rabbitPatience, rabbitStuck = 4 * time.Minute, 90 * time.Second
)

// RabbitMQ is one rabbitmq-server with all that it needs: a name server for
// Erlang and folders of its own, and no plugins. What it has confirmed
// survives kill -9 and a start.
type RabbitMQ struct {
	process

	Addr string // 127.0.0.1:port, of AMQP
	dist string // where other Erlang programs reach it
	dir  string
	epmd *exec.Cmd
	env  []string

	taken map[string][]amqp.Delivery // from each queue, by the mutex of the process
}

// StartRabbitMQ starts a server that ends with the test. A machine without
// rabbitmq-server fails the test.
func StartRabbitMQ(tb testing.TB) *RabbitMQ {
	tb.Helper()
	r, err := RunRabbitMQ()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// errStuck: on a busy machine a start sometimes goes on no more.
var errStuck = errors.New("goes on no more")

// RunRabbitMQ starts a server; Close ends it. It tries three times: another process may take a
// port before the server does.
func RunRabbitMQ() (r *RabbitMQ, err error) {
	for range 3 {
		if r, err = OpenRabbitMQ(); err != nil {
			return nil, err
		}
		if err = r.Start(); err == nil {
			return r, nil
		}
		r.Close()
		if errors.Is(err, errStuck) {
			break
		}
	}
	return nil, err
}

// OpenRabbitMQ makes a server that is down; Start starts it, Close ends it.
func OpenRabbitMQ() (*RabbitMQ, error) {
	if _, err := rabbitScript(); err != nil {
		return nil, err
	}
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(context.Background()); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "footfall-rabbitmq")
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{Addr: addresses[0], dist: addresses[1], dir: dir, taken: make(map[string][]amqp.Delivery)}
	_, port, _ := net.SplitHostPort(r.Addr)
	_, distPort, _ := net.SplitHostPort(r.dist)
	_, namesPort, _ := net.SplitHostPort(addresses[2])
	at := func(name string) string { return filepath.Join(dir, name) }
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + dir,
		"ERL_EPMD_PORT=" + namesPort, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=footfall" + port + "@localhost", "RABBITMQ_NODE_PORT=" + port, "RABBITMQ_DIST_PORT=" + distPort,
		"RABBITMQ_CONFIG_FILE=" + at("rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_MNESIA_BASE=" + dir, "RABBITMQ_LOG_BASE=" + dir, "RABBITMQ_PID_FILE=" + at("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + at("plugins"), "RABBITMQ_PLUGINS_EXPAND_DIR=" + at("expanded"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + at("features"), "RABBITMQ_GENERATED_CONFIG_DIR=" + at("generated"),
		// One scheduler that sleeps when it is idle: the tests have few cores.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +SDcpu 1:1 +sbwt none -setcookie footfall",
		// The script becomes the server in place of watching over it.
		"detached=1",
	}
	config := "listeners.tcp.1 = " + r.Addr + "\nlog.console = true\nlog.console.level = info\nlog.file = false\n" +
		"default_user = " + rabbitUser + "\ndefault_pass = " + rabbitPassword + "\ndisk_free_limit.absolute = 1MB\n"
	err = errors.Join(
		os.WriteFile(at("rabbitmq.conf"), []byte(config), 0o600),
		os.WriteFile(at("plugins"), []byte("[].\n"), 0o600),
	)
	// The server would start a name server that outlives it.
	r.epmd = r.command("epmd", "-port", namesPort, "-address", "127.0.0.1")
	if err := errors.Join(err, r.epmd.Start()); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return r, nil
}

// rabbitScript is the server's own script. That in Debian's path in front of
// it insists on a user and a folder of the machine.
func rabbitScript() (string, error) {
	const debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(debian); err == nil {
		return debian, nil
	}
	path, err := exec.LookPath("rabbitmq-server")
	if err != nil {
		return "", errors.New("rabbitmq-server is needed: apt-get install rabbitmq-server, or scripts/install-test-servers as root")
	}
	return path, nil
}

// command is a program in the server's surroundings, which dies with the test.
func (r *RabbitMQ) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Start starts the server, again if it was killed, and returns when it takes
// connections. It kills a start that goes on no more, and tries three times.
func (r *RabbitMQ) Start() (err error) {
	for range 3 {
		if err = r.start(); !errors.Is(err, errStuck) {
			return err
		}
		r.Kill()
	}
	return err
}

func (r *RabbitMQ) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	script, err := rabbitScript()
	if err != nil {
		return err
	}
	began := len(r.logged())
	out, err := os.OpenFile(r.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the server has its own
	cmd := r.command(script)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	r.cmd, r.ended = cmd, ended
	late, stuck := time.After(rabbitPatience), time.NewTimer(rabbitStuck)
	defer stuck.Stop()
	for log := ""; ; {
		now := r.logged()[began:]
		if strings.Contains(now, "Server startup complete") {
			return nil
		}
		if len(now) > len(log) {
			stuck.Reset(rabbitStuck)
		}
		log = now
		select {
		case <-ended:
			r.cmd = nil
			return fmt.Errorf("rabbitmq-server on %s has ended:\n%s", r.Addr, log)
		case <-late:
			return fmt.Errorf("rabbitmq-server on %s is not ready:\n%s", r.Addr, log)
		case <-stuck.C:
			return fmt.Errorf("rabbitmq-server on %s %w:\n%s", r.Addr, errStuck, log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *RabbitMQ) logFile() string { return filepath.Join(r.dir, "server.log") }

func (r *RabbitMQ) logged() string {
	log, _ := os.ReadFile(r.logFile()) // not there before the first start
	return string(log)
}

// Logins is how many connections were refused for a wrong password so far.
func (r *RabbitMQ) Logins() int { return strings.Count(r.logged(), "invalid credentials") }

// Close ends the server and all that belongs to it.
func (r *RabbitMQ) Close() {
	r.Kill()
	_ = r.epmd.Process.Kill()
	_ = r.epmd.Wait()
	_ = os.RemoveAll(r.dir)
}

// Ctl runs rabbitmqctl against the server and returns what it prints.
func (r *RabbitMQ) Ctl(args ...string) (string, error) {
	script, err := rabbitScript()
	if err != nil {
		return "", err
	}
	cmd := r.command(filepath.Join(filepath.Dir(script), "rabbitmqctl"), append([]string{"--erlang-cookie", "footfall"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("rabbitmqctl %s: %w", strings.Join(args, " "), err)
	}
	return string(out), err
}

// SetMemoryLimit sets the share of the machine's memory above which the server
// takes nothing more from publishers, and returns when it does so or has
// ceased to: 0 raises the alarm, 0.9 ends it.
func (r *RabbitMQ) SetMemoryLimit(share float64) error {
	// Called directly: rabbitmqctl is an Erlang of its own, of a second and more.
	if _, err := r.erlang(fmt.Sprintf("vm_memory_monitor:set_vm_memory_high_watermark(%f).", share+1e-6)); err != nil {
		return err
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		alarms, err := r.erlang("rabbit_alarm:get_alarms().")
		if err != nil {
			return err
		}
		if strings.Contains(alarms, "memory") == (share == 0) {
			return nil
		}
	}
	return fmt.Errorf("the alarm does not follow a memory limit of %f", share)
}

// erlang evaluates an expression in the server.
func (r *RabbitMQ) erlang(expression string) (string, error) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		return "", err
	}
	if erl, err = filepath.EvalSymlinks(erl); err != nil {
		return "", err
	}
	var out []byte
	for range 100 {
		cmd := r.command(filepath.Join(filepath.Dir(erl), "erl_call"), "-c", "footfall", "-address", r.dist, "-e")
		cmd.Stdin = strings.NewReader(expression + "\n")
		// A busy server may miss the time for the handshake; nothing was evaluated then.
		if out, err = cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "failed to connect") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err == nil && !strings.HasPrefix(string(out), "{ok") {
		err = errors.New("it failed")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", expression, err, out)
	}
	return string(out), nil
}
