package faults_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

func TestPublisherIsWhereCountsGo(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	in, f := p.feeds()
	p.sinkGrows(2)
	p.resolve(f)
	// On a machine that stands still a confirm may be late.
	if n := len(p.Reports()); n > 0 && !strings.Contains(in.Logged(), "earlier publishers did not confirm") {
		t.Errorf("%d counts are in the log as well", n)
	}
	in.Get("/api/verve/windows").Want(t, http.StatusOK, `"published_to":"rabbitmq"`)
	if body := in.Metrics(); !strings.Contains(body, "\n"+`footfall_publish_attempts_total{outcome="confirmed",publisher="rabbitmq"} `) {
		t.Error("the metrics don't count it")
	}
	check.Equal(t, in.Stop(), 0, "exit code")
	p.hidesPassword(in)
}

// U5: the queue is deleted while the service runs.
// What no queue took is in the log, and the next window in a new queue.
func TestAQueueThatIsDeletedLosesNoCount(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	proxy := p.through()
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+p.broker.URL(proxy.Addr, p.queue)+"&type=classic")
	in, f := p.feeds()
	p.sinkGrows(1)
	// A busy machine may connect again, and declare the queue, before the next count.
	for !strings.Contains(in.Logged(), "NO_ROUTE") {
		proxy.Stall() // else a count may be deleted that is on its way into the queue
		time.Sleep(200 * time.Millisecond)
		before := len(p.everything())
		p.broker.DeleteEmptyQueue(t, p.queue)
		proxy.Resume()
		service.WaitFor(t, "a count is published", func() bool {
			time.Sleep(100 * time.Millisecond) // each look is a connection
			return len(p.everything()) > before
		})
	}
	service.WaitFor(t, "the count is in the log", func() bool { return len(p.Reports()) > 0 })
	p.sinkGrows(1)
	p.resolve(f)
}

// A password that is wrong: the log has the counts, the service's own log one
// line, and the service is ready all the same.
func TestAWrongPasswordSendsCountsToTheLog(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+strings.Replace(p.broker.URL(p.broker.Addr, p.queue), p.broker.Secret(), "wrong-"+p.broker.Secret(), 1))
	before := p.broker.Logins()
	in, f := p.feeds()
	p.logGrows(2)
	p.resolve(f)
	if p.broker.Logins() == before {
		t.Error("the broker refused no login")
	}
	p.isReady(in)
	p.loggedOnce(in, "user or password is wrong")
}

// F26: a user who may not declare the queue, which is missing. One line says so, and
// the log has the counts. When the queue's owner has declared it, they go to the queue.
func TestF26AQueueThatMayNotBeDeclaredSendsCountsToTheLog(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+p.broker.AddUser(t, p.broker.URL(p.broker.Addr, p.queue), "writer", "^$", "^amq\\.default$", "^$"))
	in, f := p.feeds()
	p.logGrows(2)
	p.loggedOnce(in, "ACCESS_REFUSED")
	p.broker.DeclareQueue(t, p.queue, map[string]any{"x-queue-type": "classic"})
	p.sinkGrows(1)
	p.resolve(f)
}

// confirmMethod begins the frame by which a broker confirms on channel 1.
const confirmMethod = "\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"

// A confirm that is lost on its way: the window is in the queue and in the
// log, with one id and one number.
func TestALostConfirmRepeatsTheCountUnderItsID(t *testing.T) {
	t.Parallel()
	p := newPublication(t, nil)
	proxy := p.through()
	in, f := p.feeds()
	p.sinkGrows(1)
	dropped, _ := proxy.DropReply(confirmMethod)
	service.Await(t, "a confirm comes by", dropped)
	service.WaitFor(t, "the count is in the log", func() bool { return len(p.Reports()) > 0 })
	p.sinkGrows(1)
	p.resolve(f)
	queued := p.queued()
	both := 0
	for id := range p.Reports() {
		if _, ok := queued[id]; ok {
			both++
		}
	}
	if both == 0 {
		t.Errorf("no window is in queue and log:\n%s", in.Logged())
	}
	if body := in.Metrics(); strings.Contains(body, `footfall_publish_attempts_total{outcome="unknown",publisher="rabbitmq"} 0`) {
		t.Error("the metrics don't count the doubt")
	}
}
