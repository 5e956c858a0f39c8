//go:build compose

package compose_test

import (
	"strings"
	"testing"
	"time"
)

// P1 and P2 on the stack of a Redis Cluster: a master is killed while callers count, its
// replica takes over, and every page has the visits that were acknowledged. So it is when
// the master is back, and after all containers were made again.
func TestAClusterLosesAMasterAndCountsOn(t *testing.T) {
	s := newStackOf(t, "deploy/redis-cluster/compose.yml")
	s.run(t, "compose", "up", "--build", "--detach", "--wait")
	tr := startTraffic(t, s.url(t, "footfall", 1, 8000))
	tr.goesOn(t, 200)

	master := s.container(t, "redis-1", 1)
	if role := s.role(t, "redis-1"); role != "master" {
		t.Fatalf("redis-1 is a %s", role)
	}
	_, refused, doubt := tr.totals()
	began := time.Now()
	s.kill(t, master)
	waitFor(t, "pages of the master are refused or in doubt", func() bool {
		_, r, d := tr.totals()
		return r+d > refused+doubt
	})
	tr.allServed(t)
	t.Logf("every page is served %v after the kill", time.Since(began).Round(100*time.Millisecond))
	s.start(t, master)
	waitFor(t, "the old master is a replica", func() bool { return s.role(t, "redis-1") == "slave" })
	tr.goesOn(t, 200)
	tr.halt()
	tr.balance(t, s.url(t, "footfall", 1, 8000))

	s.run(t, "compose", "down", "--timeout", "5")
	s.run(t, "compose", "up", "--detach", "--wait")
	tr.balance(t, s.url(t, "footfall", 1, 8000))
}

// role is what a server says that it is, master or slave; empty while it does not answer.
func (s *stack) role(t *testing.T, service string) string {
	t.Helper()
	out, _ := s.command(t.Context(), "compose", "exec", "-T", service, "redis-cli", "role").Output()
	role, _, _ := strings.Cut(string(out), "\n")
	return role
}
