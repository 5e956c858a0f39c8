package faults_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// The very first start needs every node; the program ends with a line that
// names the one that is down. A later start does without it.
func TestOnlyTheFirstStartNeedsEveryNode(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	r.Servers[1].Kill()
	in := r.Deployment().Launch()
	service.Await(t, "the program does not wait for the node", in.Done)
	if name := fmt.Sprint("redis_", r.Servers[1].Port()); in.Cmd.ProcessState.ExitCode() != 1 || !strings.Contains(in.Logged(), name) {
		t.Errorf("exit code %d, want 1 and a line about %s:\n%s", in.Cmd.ProcessState.ExitCode(), name, in.Logged())
	}
	check.Must(t, r.Servers[1].Start())
	r.Start().Kill()
	r.Servers[1].Kill()
	in = r.Start()
	r.Ask(in, "GET", "/readyz", "").Want(t, 200)
}

// P1, P2, V3, V6: three instances over three nodes under load, while instances and
// nodes are killed and started again: acknowledged <= stored <= acknowledged +
// unknown, for every page. No read is lower than what was acknowledged before.
func TestKillsOfInstancesAndNodesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	service.EachListener(t, killsOfInstancesAndNodes)
}

func killsOfInstancesAndNodes(t *testing.T, env ...string) {
	t.Parallel()
	r := service.NewRing(t, 3)
	r.Env = env
	all, folders := r.StartAll(3)
	c := service.NewTrafficOf(r, 21, all...)
	c.Start(24, 3)
	// A busy machine may kill an instance when no request is under way.
	unknown, refused := int64(0), int64(0)
	for round := 0; round < 10 || (unknown == 0 || refused == 0) && round < 40; round++ {
		time.Sleep(300 * time.Millisecond)
		_, denied, doubt := c.Totals()
		i := rand.IntN(3)
		if round%2 == 0 {
			all[i].Kill()
			time.Sleep(50 * time.Millisecond)
			all[i] = folders[i].Start()
			c.Replace(i, all[i])
			_, _, now := c.Totals()
			unknown += now - doubt
			continue
		}
		r.Servers[i].Kill()
		time.Sleep(200 * time.Millisecond)
		check.Must(t, r.Servers[i].Start())
		_, now, _ := c.Totals()
		refused += now - denied
	}
	if unknown == 0 || refused == 0 {
		t.Fatalf("the kills hit no request: %d unknown, %d refused", unknown, refused)
	}
	c.Check()
}
