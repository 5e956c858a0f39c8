package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"footfall/test/check"
)

// OlderProgram builds the program as it was at a commit of this repository, and returns
// its path. Without the commit the test is skipped, but fails where CI is set.
func OlderProgram(t testing.TB, commit string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := t.TempDir()
	run := func(in, name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = in
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		return cmd.CombinedOutput()
	}
	archive := filepath.Join(dir, "source.tar")
	top := filepath.Join(filepath.Dir(here), "../../..")
	if out, err := run(top, "git", "archive", "--output", archive, commit); err != nil {
		report := t.Skipf
		if os.Getenv("CI") != "" {
			report = t.Fatalf
		}
		report("the commit %s is needed, which a shallow clone lacks: git fetch --unshallow (%v: %s)", commit, err, out)
	}
	source, program := filepath.Join(dir, "source"), filepath.Join(dir, "footfall")
	check.Must(t, os.Mkdir(source, 0o700))
	for _, step := range [][]string{{"tar", "-xf", archive}, {"go", "build", "-pgo=off", "-trimpath", "-ldflags=-s -w", "-o", program, "."}} {
		if out, err := run(source, step[0], step[1:]...); err != nil {
			t.Fatalf("%v: %v\n%s", step, err, out)
		}
	}
	return program
}
