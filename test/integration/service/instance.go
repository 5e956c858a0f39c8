package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"footfall/domain/publishing"
	"footfall/test/check"
)

// IsStopped reports whether SIGSTOP has stopped the process.
func (in *Instance) IsStopped() bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", in.Cmd.Process.Pid)) // not there: it has ended
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

// AwaitEnd returns when a fault point has killed the process.
func (in *Instance) AwaitEnd() {
	in.t.Helper()
	Await(in.t, "the fault happens", in.Done)
	if s := in.Cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		in.t.Fatalf("%v, want it killed:\n%s", in.Cmd.ProcessState, in.Logged())
	}
}

// ResidentKB is the memory that the process holds.
func (in *Instance) ResidentKB() int {
	in.t.Helper()
	return in.statusKB("VmRSS:")
}

// OwnKB is ResidentKB without the pages of files, such as those of the program: they are
// shared, and the kernel takes them back when it needs them.
func (in *Instance) OwnKB() int {
	in.t.Helper()
	return in.statusKB("RssAnon:")
}

func (in *Instance) statusKB(name string) int {
	in.t.Helper()
	status := check.Value(os.ReadFile(fmt.Sprintf("/proc/%d/status", in.Cmd.Process.Pid)))(in.t)
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, name); ok {
			return check.Value(strconv.Atoi(strings.Fields(text)[0]))(in.t)
		}
	}
	in.t.Fatal("no ", name)
	return 0
}

// Tool runs a command of the program against the admin listener of the instance,
// with its settings, and returns what the command printed.
func (in *Instance) Tool(args ...string) (string, error) {
	out, err := in.ToolCommand(args...).CombinedOutput()
	return string(out), err
}

// ToolCommand is the command of Tool.
func (in *Instance) ToolCommand(args ...string) *exec.Cmd {
	cmd := in.deployment.Command(context.Background(), args...)
	cmd.Env = append(cmd.Env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.Admin, "http://"))
	return cmd
}

// Insist runs a command again and again while a node did not answer it in time, and nothing was changed: nodes on a
// busy machine are late. It returns what the command printed last.
func Insist(t testing.TB, run func() (string, error)) (out string, err error) {
	t.Helper()
	WaitFor(t, "the nodes answer a command", func() bool {
		out, err = run()
		return err == nil || !strings.Contains(out, "Nothing was changed") || !strings.Contains(out, "no answer in time")
	})
	return out, err
}

// MustTool is Tool for a command that is to succeed, with Insist. Otherwise it ends the test.
func (in *Instance) MustTool(args ...string) string {
	in.t.Helper()
	out, err := Insist(in.t, func() (string, error) { return in.Tool(args...) })
	if err != nil {
		in.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// ToolFails runs a command that is to fail with a text that has all parts.
func (in *Instance) ToolFails(parts []string, args ...string) {
	in.t.Helper()
	out, err := in.Tool(args...)
	for _, part := range parts {
		if err == nil || !strings.Contains(out, part) {
			in.t.Errorf("%v: %v %s, want a failure that says %q", args, err, out, part)
		}
	}
}

// FailedCallbacks are those that a command lists. It is run again while nodes are late.
func (in *Instance) FailedCallbacks(args ...string) (all []publishing.FailedCallback) {
	in.t.Helper()
	var out []byte
	WaitFor(in.t, "failed callbacks are listed", func() (ok bool) {
		var err error
		out, err = in.ToolCommand(append([]string{"callbacks", "list"}, args...)...).Output()
		return err == nil
	})
	for lines := json.NewDecoder(bytes.NewReader(out)); lines.More(); {
		var c publishing.FailedCallback
		check.Must(in.t, lines.Decode(&c))
		all = append(all, c)
	}
	return all
}

// Exited fails the test unless the process ends, or has ended, with the code 0.
func (in *Instance) Exited() {
	in.t.Helper()
	<-in.Done
	if code := in.Cmd.ProcessState.ExitCode(); code != 0 {
		in.t.Errorf("exit code %d:\n%s", code, in.Logged())
	}
}
