//go:build compose

package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// N5 on the real stack: it was scaled, and scripts/upgrade replaces each instance while
// callers go on. None of them is refused, and nothing is in doubt.
func TestN5AnUpgradeOfAScaledStackIsNotNoticed(t *testing.T) {
	const count = 3
	s := newStack(t)
	s.up(t, "--build", "--scale", "footfall=3")
	tr := startTraffic(t, s.url(t, "balancer", 1, 8000))
	re := newReports(t, s)
	tr.goesOn(t, 200)
	old := s.instances(t)
	before, refused, doubt := tr.totals()

	script, err := filepath.Abs("../../scripts/upgrade")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script, "180")
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	t.Run("a server is copied as the page says", func(t *testing.T) { redisIsCopied(t, s) })
	acked, nowRefused, nowDoubt := tr.totals()
	if acked < before+20 {
		t.Errorf("%d visits were acknowledged meanwhile: there was no load", acked-before)
	}
	if nowRefused != refused || nowDoubt != doubt {
		t.Errorf("%d visits were refused and %d are in doubt", nowRefused-refused, nowDoubt-doubt)
	}
	all := s.instances(t)
	if len(all) != count || len(old) != count || slices.ContainsFunc(all, func(id string) bool { return slices.Contains(old, id) }) {
		t.Errorf("the instances were %q and are %q", old, all)
	}
	tr.goesOn(t, 200)
	tr.halt()
	re.queueGrows(t)
	tr.balance(t, s.url(t, "balancer", 1, 8000))
}

// redisIsCopied runs the command of docs/operations/backup.md.
func redisIsCopied(t *testing.T, s *stack) {
	page, err := os.ReadFile("../../docs/operations/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(string(page), "\ndocker compose exec -T redis-1 ")
	command, _, _ = strings.Cut(command, "\n")
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", "docker compose exec -T redis-1 "+command)
	cmd.Dir, cmd.Env = t.TempDir(), s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if dump, err := os.ReadFile(filepath.Join(cmd.Dir, "redis-1.rdb")); err != nil || !strings.HasPrefix(string(dump), "REDIS") {
		t.Errorf("the copy is %.20q, %v", dump, err)
	}
}

// instances are the ids of the containers of instances that run.
func (s *stack) instances(t *testing.T) []string {
	t.Helper()
	return strings.Fields(s.run(t, "compose", "ps", "--quiet", "footfall"))
}
