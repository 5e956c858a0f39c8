package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// F28: two deployments send their counts to one queue and one receiver, which drop what
// they have seen. Each report has an id of its own, and the replay of a log keeps it.
func TestF28TwoDeploymentsSendDistinctReports(t *testing.T) {
	t.Parallel()
	e := service.NewEndpoint(t)
	p := newPublication(t, nil)
	var both []*service.Instance
	for _, name := range []string{"staging", "production"} {
		d := service.NewDeployment(t, p.Env...)
		d.Env = append(d.Env, "FOOTFALL_NAME="+name, "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_CALLBACK_RATE=1000000/s")
		both = append(both, d.Start())
	}
	for id, common := 0, 0; common < 2; id++ {
		for n, in := range both {
			for k := range n + 1 { // the counts differ
				in.Get(service.AcceptPath(fmt.Sprint(10*id+k), e.URL)).Want(t, http.StatusOK)
			}
		}
		starts := make(map[string]int)
		for _, m := range p.broker.Messages(t, p.queue) {
			_, start, _ := strings.Cut(m.MessageId, "_")
			starts[start]++
		}
		common = 0
		for _, n := range starts {
			common += n - 1
		}
		time.Sleep(50 * time.Millisecond) // each look is a connection
	}
	seen := make(map[string]bool)
	for _, m := range p.broker.Messages(t, p.queue) {
		name, _, _ := strings.Cut(m.MessageId, "_")
		if seen[m.MessageId] || m.AppId != name || name != "staging" && name != "production" {
			t.Fatalf("the message %s of %s, seen before: %v", m.MessageId, m.AppId, seen[m.MessageId])
		}
		seen[m.MessageId] = true
	}
	ids := func() (all []string) {
		for _, c := range e.Got() {
			all = append(all, c.ID)
		}
		return slices.Sorted(slices.Values(all))
	}
	service.WaitFor(t, "both notify the receiver", func() bool {
		all := strings.Join(ids(), " ")
		return strings.Contains(all, "staging_") && strings.Contains(all, "production_")
	})
	if all := ids(); len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the receiver was notified of %v", all)
	}
	id := e.Got()[0].ID
	found := 0
	for _, in := range both {
		if in.Administer("GET", "/windows/"+id, "").Status == http.StatusOK {
			found++
		}
	}
	check.Equal(t, found, 1, "deployments that know the window %s", id)
}

// F28: a store keeps the name of its first start.
func TestF28AStoreKeepsItsName(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]string{"embedded": "embedded://./data", "redis": "redis://" + servers.StartRedis(t).Addr} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := service.NewDeployment(t, "FOOTFALL_STORE="+store, "FOOTFALL_NAME=staging")
			in := d.Start()
			check.Equal(t, in.Stop(), 0, "exit code")
			d.Env = append(d.Env, "FOOTFALL_NAME=footfall")
			in = d.Launch()
			select {
			case <-in.Ready:
				t.Fatal("it starts with another name")
			case <-in.Done:
			}
			if log := in.Logged(); in.Cmd.ProcessState.Success() || !strings.Contains(log, `named "staging", the configuration says "footfall"`) {
				t.Errorf("it ended with %v:\n%s", in.Cmd.ProcessState, log)
			}
			d.Env = append(d.Env, "FOOTFALL_NAME=staging")
			in = d.Start()
			check.Equal(t, in.Stop(), 0, "exit code")
		})
	}
}
