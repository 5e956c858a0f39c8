package test_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"footfall/test/check"
)

// N5: the upgrade of the page replaces all instances of a stack that was scaled, and never
// serves with fewer. Docker is a script here; test/compose does the same with containers.
func TestN5TheUpgradeOfThePageStopsNoInstanceTooEarly(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "docs/operations/upgrade.md"), "\n## The service\n")
	block := fence.FindStringSubmatch(section)
	if block == nil {
		t.Fatal("the page has no commands")
	}
	for _, count := range []int{1, 2, 4, 5, 8, 9} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			t.Parallel()
			s := newFakeStack(t, count)
			out, err := s.run(t, block[2])
			check.Must(t, err, "%s", out)
			if least := slices.Min(s.served(t)); least < count {
				calls := check.Value(os.ReadFile(filepath.Join(s.dir, "calls")))(t)
				t.Errorf("%d of %d instances served for a while:\n%s", least, count, calls)
			}
			all := s.running(t)
			if check.Equal(t, len(all), count, "instances"); slices.ContainsFunc(all, func(id string) bool { return strings.HasPrefix(id, "old") }) {
				t.Errorf("%q run after the upgrade", all)
			}
		})
	}
}

// N5: when the new version does not become ready, the old instances go on.
func TestN5AnUpgradeToAVersionThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	s := newFakeStack(t, 3)
	check.Must(t, os.WriteFile(filepath.Join(s.dir, "broken"), nil, 0o600))
	if out, err := s.run(t, "scripts/upgrade 1"); err == nil || !strings.Contains(out, "were removed; the others go on") {
		t.Errorf("%v: %s", err, out)
	}
	check.Equal(t, strings.Join(s.running(t), " "), "old1 old2 old3", "the instances after it")
	check.Equal(t, slices.Min(s.served(t)), 3, "instances that served all the time")
}

// fakeStack is a stack of instances that a script keeps (testdata/docker).
type fakeStack struct{ dir, path string }

func newFakeStack(t *testing.T, count int) fakeStack {
	t.Helper()
	s := fakeStack{dir: t.TempDir(), path: t.TempDir()}
	check.Must(t, os.Mkdir(filepath.Join(s.dir, "running"), 0o700))
	for i := range count {
		check.Must(t, os.WriteFile(filepath.Join(s.dir, "running", fmt.Sprint("old", i+1)), nil, 0o600))
	}
	docker := check.Value(filepath.Abs("testdata/docker"))(t)
	check.Must(t, os.Symlink(docker, filepath.Join(s.path, "docker")))
	check.Must(t, os.WriteFile(filepath.Join(s.path, "git"), []byte("#!/bin/sh\n"), 0o700))
	return s
}

func (s fakeStack) run(t *testing.T, script string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "FAKE="+s.dir, "PATH="+s.path+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// served is how many instances served after each call.
func (s fakeStack) served(t *testing.T) (all []int) {
	t.Helper()
	for line := range strings.Lines(string(check.Value(os.ReadFile(filepath.Join(s.dir, "serving")))(t))) {
		all = append(all, check.Value(strconv.Atoi(strings.TrimSpace(line)))(t))
	}
	return all
}

func (s fakeStack) running(t *testing.T) (ids []string) {
	t.Helper()
	for _, e := range check.Value(os.ReadDir(filepath.Join(s.dir, "running")))(t) {
		ids = append(ids, e.Name())
	}
	return ids
}
