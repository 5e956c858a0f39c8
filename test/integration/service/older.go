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

// The versions with which this one shares stores in the tests: one without history, and the
// last one that keeps no failed callbacks.
const (
	olderCommit    = "c8ae331"
	previousCommit = "2793679"
)

// errNoHistory: the repository lacks a commit, as a shallow clone does.
var errNoHistory = errors.New("git fetch --unshallow gets all commits")

// OlderProgram builds the program as it was at olderCommit, once for all tests of a
// folder, and returns its path. A clone without that commit skips the test.
func OlderProgram(t testing.TB) string {
	t.Helper()
	return mustBuild(t, built.older)
}

// PreviousProgram is OlderProgram of previousCommit.
func PreviousProgram(t testing.TB) string {
	t.Helper()
	return mustBuild(t, built.previous)
}

func mustBuild(t testing.TB, older func() (string, error)) string {
	t.Helper()
	path, err := older()
	switch {
	case errors.Is(err, errNoHistory):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return path
}

// buildOlder builds the program as it was at a commit in a folder.
func buildOlder(dir, commit string) (path string, err error) {
	_, here, _, _ := runtime.Caller(0)
	source := filepath.Join(dir, commit)
	archive, path := source+".tar", filepath.Join(dir, "footfall-"+commit)
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	for i, step := range []*exec.Cmd{
		exec.CommandContext(context.Background(), "git", "-c", "safe.directory=*", "-C", filepath.Dir(here)+"/../../..", "archive", "--output", archive, commit),
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
