package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// olderCommit is the version with which this one shares stores in the tests.
const olderCommit = "c8ae331"

// errNoHistory: the repository lacks olderCommit, as a shallow clone does.
var errNoHistory = errors.New("git fetch --unshallow gets the commit " + olderCommit)

// OlderProgram builds the program as it was at olderCommit, once for all tests of a
// folder, and returns its path. A clone without that commit skips the test.
func OlderProgram(t testing.TB) string {
	t.Helper()
	path, err := built.older()
	switch {
	case errors.Is(err, errNoHistory):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return path
}

// buildOlder builds the older program in a folder.
func buildOlder(dir string) (path string, err error) {
	_, here, _, _ := runtime.Caller(0)
	archive, source, path := filepath.Join(dir, "older.tar"), filepath.Join(dir, "older"), filepath.Join(dir, "footfall-older")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	for i, step := range []*exec.Cmd{
		exec.CommandContext(context.Background(), "git", "-c", "safe.directory=*", "-C", filepath.Dir(here)+"/../../..", "archive", "--output", archive, olderCommit),
		exec.CommandContext(context.Background(), "tar", "-xf", archive, "-C", source),
		exec.CommandContext(context.Background(), "go", "build", "-C", source, "-pgo=off", "-ldflags=-s -w", "-o", path, "."),
	} {
		step.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := step.CombinedOutput(); err != nil {
			err = fmt.Errorf("%v: %w: %s", step, err, out)
			if i == 0 {
				err = fmt.Errorf("%w: %w", errNoHistory, err)
			}
			return "", err
		}
	}
	return path, nil
}
