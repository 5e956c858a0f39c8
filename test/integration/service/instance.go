package service

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

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
	status := check.Value(os.ReadFile(fmt.Sprintf("/proc/%d/status", in.Cmd.Process.Pid)))(in.t)
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return check.Value(strconv.Atoi(strings.Fields(text)[0]))(in.t)
		}
	}
	in.t.Fatal("no VmRSS")
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

// MustTool is Tool for a command that is to succeed. Otherwise it ends the test.
func (in *Instance) MustTool(args ...string) string {
	in.t.Helper()
	out, err := in.Tool(args...)
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

// Exited fails the test unless the process ends, or has ended, with the code 0.
func (in *Instance) Exited() {
	in.t.Helper()
	<-in.Done
	if code := in.Cmd.ProcessState.ExitCode(); code != 0 {
		in.t.Errorf("exit code %d:\n%s", code, in.Logged())
	}
}
