//go:build compose

package compose_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// P1, P2, P3, P5 and P6 on the real stack: callers go on for the whole test,
// through the balancer, while its parts are stopped, killed and cut off.
func TestTheStackKeepsItsPromises(t *testing.T) {
	s := newStack(t)
	s.up(t, "--build")
	tr := startTraffic(t, s.url(t, "balancer", 1, 8000))
	re := newReports(t, s)
	t.Run("both instances serve", func(t *testing.T) { bothServe(t, s, tr) })
	t.Run("Prometheus sees them", func(t *testing.T) { prometheusSees(t, s) })
	// The broker and all else fail side by side: one may not harm the other.
	t.Run("faults", func(t *testing.T) {
		t.Run("RabbitMQ is killed", func(t *testing.T) { t.Parallel(); brokerIsKilled(t, s, re) })
		t.Run("nodes and instances", func(t *testing.T) {
			t.Parallel()
			nodesFail(t, s, tr)
			everyInstanceServes(t, s) // else what follows shows two faults at once
			instancesFail(t, s, tr)
		})
	})
	t.Run("all start again with their volumes", func(t *testing.T) { allStartAgain(t, s, tr) })
	tr.goesOn(t, 200)
	tr.halt()
	t.Run("the books balance", func(t *testing.T) { booksBalance(t, s, tr, re) })
}

// bothServe sees the balancer share requests out, and what one instance has
// acknowledged at the other.
func bothServe(t *testing.T, s *stack, tr *traffic) {
	tr.goesOn(t, 200)
	_, metrics := get(t, s.url(t, "balancer", 1, 8404)+"/metrics")
	for n := range 2 {
		count := fmt.Sprintf(`haproxy_server_http_responses_total{proxy="ingest",server="ingest%d",code="2xx"} `, n+1)
		if _, value, ok := strings.Cut(metrics, count); !ok || strings.HasPrefix(value, "0\n") {
			t.Errorf("the balancer sent nothing to the ingest listener of instance %d", n+1)
		}
	}
	for n := range 20 {
		page := fmt.Sprintf("/shared%d", n)
		request("POST", s.url(t, "footfall", 1+n%2, 8000)+"/visit"+page).Want(t, 200)
		if _, body := get(t, s.url(t, "footfall", 2-n%2, 8000)+"/visits"+page); !strings.Contains(body, `"visits":1`) {
			t.Errorf("a visit at one instance reads %s at the other", body)
		}
	}
}

// nodesFail loses each node in another way. Its pages are refused or in
// doubt meanwhile, and the others' served.
func nodesFail(t *testing.T, s *stack, tr *traffic) {
	for n, fault := range []func(id string) (heal func()){
		func(id string) func() { s.kill(t, id); return func() { s.start(t, id) } },
		func(id string) func() { s.stop(t, id); return func() { s.start(t, id) } },
		func(id string) func() { return s.cut(t, id, "redis-3", "back") },
	} {
		id := s.container(t, fmt.Sprint("redis-", n+1), 1)
		began := time.Now()
		acked, refused, doubt := tr.totals()
		heal := fault(id)
		waitFor(t, "pages of the node are refused", func() bool { _, now, _ := tr.totals(); return now >= refused+20 })
		tr.goesOn(t, 50)
		heal()
		tr.allServed(t)
		a, r, d := tr.totals()
		t.Logf("node %d away for %v: %d visits acknowledged, %d refused, %d in doubt", n+1, time.Since(began).Round(time.Second), a-acked, r-refused, d-doubt)
	}
}

// everyInstanceServes waits until each of them writes to every node again.
func everyInstanceServes(t *testing.T, s *stack) {
	for n := range 2 {
		base := s.url(t, "footfall", n+1, 8000)
		waitFor(t, "the instance writes to every node", func() bool {
			for i := range pages {
				if request("POST", base+"/visit/probe"+fmt.Sprint(i)).Status != 200 {
					return false
				}
			}
			return true
		})
	}
}

// instancesFail loses one instance in each way; the other serves meanwhile.
func instancesFail(t *testing.T, s *stack, tr *traffic) {
	for n, fault := range []func(id string) (heal func()){
		func(id string) func() { s.stop(t, id); return func() { s.start(t, id) } },
		func(id string) func() { s.kill(t, id); return func() { s.start(t, id) } },
		func(id string) func() { // can't serve, and says so
			join := s.cut(t, id, "footfall", "back")
			waitFor(t, "the instance is not ready", func() bool { status, _ := get(t, s.url(t, "footfall", 1, 8000)+"/readyz"); return status == 503 })
			return join
		},
		func(id string) func() { return s.cut(t, id, "footfall", "front") }, // the balancer can't reach it
	} {
		which := 1 + n%2
		id := s.container(t, "footfall", which)
		acked, refused, doubt := tr.totals()
		heal := fault(id)
		tr.allServed(t)
		a, r, d := tr.totals()
		t.Logf("instance %d away: %d visits acknowledged, %d refused, %d in doubt", which, a-acked, r-refused, d-doubt)
		heal()
		waitFor(t, "the instance is ready again", func() bool {
			status, _ := get(t, s.url(t, "footfall", which, 8000)+"/readyz")
			return status == 200
		})
	}
}

// brokerIsKilled sees counts go to the log while RabbitMQ is away, and to the
// queue before and after.
func brokerIsKilled(t *testing.T, s *stack, re *reports) {
	re.queueGrows(t)
	before := re.logged(t)
	id := s.container(t, "rabbitmq", 1)
	s.kill(t, id)
	waitFor(t, "a count comes to the log", func() bool { return len(re.logged(t)) > len(before) })
	s.start(t, id)
	re.queueGrows(t)
}

// allStartAgain is a power cut, and then other containers on the same volumes.
func allStartAgain(t *testing.T, s *stack, tr *traffic) {
	s.run(t, "compose", "kill")
	_, refused, _ := tr.totals()
	waitFor(t, "callers are refused", func() bool { _, now, _ := tr.totals(); return now > refused })
	old := s.container(t, "redis-1", 1)
	s.run(t, "compose", "down")
	s.up(t)
	if s.container(t, "redis-1", 1) == old {
		t.Error("the container is the old one")
	}
	base := s.url(t, "balancer", 1, 8000)
	tr.base.Store(&base)
	tr.allServed(t)
}

// booksBalance compares what is stored, at both instances, and all counts of
// all windows, with the replies that callers received.
func booksBalance(t *testing.T, s *stack, tr *traffic, re *reports) {
	for n := range 2 {
		tr.balance(t, s.url(t, "footfall", n+1, 8000))
	}
	acked, refused, doubt := tr.totals()
	t.Logf("visits: %d acknowledged, %d refused, %d in doubt", acked, refused, doubt)
	acked, refused, doubt = tr.ids.Totals()
	waitFor(t, "every id is in a count", func() bool { re.takeQueue(t); re.logged(t); return re.sum() >= acked })
	// One more window, which is empty: all counts with ids are there.
	re.queueGrows(t)
	re.logged(t)
	if sum := re.sum(); sum < acked || sum > acked+doubt {
		t.Errorf("%d ids in all windows, want %d and at most %d in doubt", sum, acked, doubt)
	}
	t.Logf("ids: %d acknowledged, %d refused, %d in doubt; %d windows with %d, %d messages", acked, refused, doubt, len(re.counts), re.sum(), re.queued)
}
