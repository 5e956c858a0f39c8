package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/adapters/scheduler"
	"footfall/application/cluster"
	"footfall/application/uniques"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

const (
	minute = time.Minute
	grace  = 2 * time.Second
)

var (
	errDead   = errors.New("the instance is dead")
	errUnsent = errors.New("the machine has no file left")
)

// outside is what is beyond the service: sinks, endpoints, and the log.
type outside struct {
	mu      sync.Mutex
	reports map[string][]publishing.Report // by sink
	logged  []publishing.Attempt
	retried []publishing.Attempt
	log     check.Log
	// publish, when set, is what a sink does with a report: nil is taking it.
	publish func(ctx context.Context, sink string, r publishing.Report) error
	// answer, when set, is what an endpoint does; the status is 200 otherwise.
	answer func(ctx context.Context, r publishing.Report, e publishing.Endpoint) (int, error)
	// skip, when set, says of which endpoints no attempt is made, and what comes instead.
	skip func(e publishing.Endpoint) (publishing.Attempt, bool)
	// ended is how often the journal was notified of the end of a window's attempts.
	ended int
	// share is how many new endpoints of a window a client or a host may have.
	share int
	// refusedBy counts the endpoints that each bound refused.
	refusedBy map[string]int
	// retryAfter, when set, is for how long endpoints want to be left alone.
	retryAfter time.Duration
	// observed are the outcomes of what was logged.
	observed map[publishing.Outcome]int
	// journal, when set, is the error of the log.
	journal error
	// under is the number of attempts that are being made, by host and with "" in
	// all, most the highest so far.
	under, most map[string]int
}

func newOutside() *outside {
	return &outside{
		reports: make(map[string][]publishing.Report), observed: make(map[publishing.Outcome]int),
		refusedBy: make(map[string]int),
		under:     make(map[string]int), most: make(map[string]int),
	}
}

// hang is the answer of an endpoint that gives none.
func hang(ctx context.Context, _ publishing.Report, _ publishing.Endpoint) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// accepts is the answer of an endpoint that accepts the count after do.
func accepts(do func()) func(context.Context, publishing.Report, publishing.Endpoint) (int, error) {
	return func(context.Context, publishing.Report, publishing.Endpoint) (int, error) {
		do()
		return 200, nil
	}
}

// hangsAt is the answer of endpoints that give none if their host begins like this.
func hangsAt(host string) func(context.Context, publishing.Report, publishing.Endpoint) (int, error) {
	return func(ctx context.Context, r publishing.Report, e publishing.Endpoint) (int, error) {
		if strings.HasPrefix(e.Host(), host) {
			return hang(ctx, r, e)
		}
		return 200, nil
	}
}

// sink is a publisher.
type sink struct {
	*outside
	name string
}

func (s sink) Name() string { return s.name }

func (s sink) Publish(ctx context.Context, r publishing.Report) error {
	s.mu.Lock()
	publish := s.publish
	s.mu.Unlock()
	var err error
	if publish != nil {
		err = publish(ctx, s.name, r)
	}
	if !errors.Is(err, publishing.ErrRefused) { // taken, or unknown
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reports[s.name] = append(s.reports[s.name], r)
	}
	return err
}

func (o *outside) Permits(e publishing.Endpoint) error {
	if e == "http://forbidden/" {
		return publishing.ErrForbidden
	}
	return nil
}

func (o *outside) Notify(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	if skipped, ok := o.skips(e); ok {
		skipped.ReportID, skipped.Number, skipped.Endpoint = r.ID, number-1, e
		return skipped
	}
	a := publishing.Attempt{ReportID: r.ID, Number: number, Endpoint: e, Status: 200, RetryAfter: o.retryAfter}
	o.begin(e, 1)
	defer o.begin(e, -1)
	if o.answer != nil {
		a.Status, a.Err = o.answer(ctx, r, e)
	}
	a.Outcome, a.HostFailed = httpcallback.Classify(a.Status, a.Err)
	a.Unsent = errors.Is(a.Err, errUnsent)
	return a
}

func (o *outside) Retry(ctx context.Context, r publishing.Report, e publishing.Endpoint, number int) publishing.Attempt {
	a := o.Notify(ctx, r, e, number)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retried = append(o.retried, a)
	return a
}

func (o *outside) skips(e publishing.Endpoint) (publishing.Attempt, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.skip == nil {
		return publishing.Attempt{}, false
	}
	return o.skip(e)
}

// begin counts an attempt at an endpoint that begins, or with -1 one that ends.
func (o *outside) begin(e publishing.Endpoint, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, host := range []string{"", e.Host()} {
		o.under[host] += n
		o.most[host] = max(o.most[host], o.under[host])
	}
}

func (o *outside) LogAttempt(a publishing.Attempt) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.logged = append(o.logged, a)
	return o.journal
}

func (o *outside) LogEnd(string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended++
	return nil
}

func (o *outside) observe(a publishing.Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.observed[a.Outcome]++
}

// attempts are those that were logged, by endpoint.
func (o *outside) attempts() map[publishing.Endpoint][]publishing.Attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[publishing.Endpoint][]publishing.Attempt)
	for _, a := range o.logged {
		all[a.Endpoint] = append(all[a.Endpoint], a)
	}
	return all
}

// taken are the reports that a sink took, in order.
func (o *outside) taken(sink string) []publishing.Report {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.reports[sink])
}

// scenario runs a test of a deployment of three nodes in virtual time.
func scenario(t *testing.T, run func(t *testing.T, o *outside, d *deployment)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, newOutside(), newDeployment()) })
}

// alone is a scenario with one instance.
func alone(t *testing.T, run func(t *testing.T, o *outside, i *instance)) {
	t.Helper()
	scenario(t, func(t *testing.T, o *outside, d *deployment) { run(t, o, d.run(t, "a", o)) })
}

// instance is one start of the service.
type instance struct {
	*uniques.Service
	*deployment
	cluster   *cluster.Cluster
	scheduler *scheduler.Scheduler
	links     []*link
}

// instance starts one more instance, without the clock that drives it; it
// ends with the test.
func (d *deployment) instance(t *testing.T, name string, o *outside) *instance {
	t.Helper()
	i := &instance{deployment: d}
	var nodes []cluster.Node
	for _, n := range d.nodes {
		l := d.link(n)
		i.links = append(i.links, l)
		nodes = append(nodes, d.member(l))
	}
	log := slog.New(slog.NewTextHandler(&o.log, nil))
	c := cluster.New(cluster.Options{Nodes: nodes, Length: counting.WindowLength(minute), EndpointLimit: 1000, Log: log})
	check.Must(t, c.Start(t.Context()))
	i.cluster = c
	i.Service = uniques.New(uniques.Options{
		Cluster: c, Publishers: []publishing.Publisher{sink{o, "rabbitmq"}, sink{o, "log"}},
		Notifier: o, Journal: o, CaptureLog: "/var/capture.log", Grace: grace, Instance: name, Log: log, Observe: o.observe,
		EndpointShare: o.share, Refused: func(bound string) { o.refusedBy[bound]++ },
	})
	i.scheduler = scheduler.New(i.Service, counting.WindowLength(minute), grace, log)
	t.Cleanup(i.crash)
	return i
}

// run starts an instance with its clock.
func (d *deployment) run(t *testing.T, name string, o *outside) *instance {
	t.Helper()
	i := d.instance(t, name, o)
	check.Must(t, i.scheduler.Start(t.Context()))
	return i
}

// wantNothingWaiting fails the test where a node still waits for a window to
// be closed.
func (d *deployment) wantNothingWaiting(t *testing.T) {
	t.Helper()
	for _, n := range d.nodes {
		if a, err := n.Heartbeat(t.Context(), counting.Clock{Now: time.Now(), MaxSkew: time.Minute}); err != nil || len(a.Waiting) > 0 {
			t.Errorf("%s waits for the windows %v, %v", n.ID(), a.Waiting, err)
		}
	}
}

// failing is a fail of a link that makes one kind of call fail, of all windows or of one.
func failing(call string, err error, only ...counting.Window) func(string, counting.Window) error {
	return func(c string, w counting.Window) error {
		if c == call && (len(only) == 0 || w == only[0]) {
			return err
		}
		return nil
	}
}

// fail lets calls of all nodes by this instance fail.
func (i *instance) fail(fail func(call string, w counting.Window) error) {
	for _, l := range i.links {
		l.setFail(fail)
	}
}

// crash ends the instance as kill -9 does: nothing leaves it any more.
func (i *instance) crash() {
	i.fail(func(string, counting.Window) error { return errDead })
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = i.stop(now)
}

// stop ends the instance cleanly.
func (i *instance) stop(ctx context.Context) error {
	return errors.Join(i.scheduler.Stop(ctx), i.Stop(ctx), i.cluster.Stop(ctx))
}

// Accept lets the instance take an id from one and the same client.
func (i *instance) Accept(ctx context.Context, id counting.ID, endpoint publishing.Endpoint) error {
	_, err := i.Service.Accept(ctx, netip.Prefix{}, id, endpoint)
	return err
}

// mustAccept lets an instance take ids.
func (i *instance) mustAccept(t *testing.T, endpoint publishing.Endpoint, ids ...counting.ID) {
	t.Helper()
	for _, id := range ids {
		check.Must(t, i.Accept(t.Context(), id, endpoint), "accept %d", id)
	}
}

// acceptEach lets an instance take n ids, each with an endpoint of its own.
func (i *instance) acceptEach(t *testing.T, n int, endpoints string) {
	t.Helper()
	for id := range n {
		i.mustAccept(t, publishing.Endpoint(fmt.Sprintf(endpoints, id)), counting.ID(id))
	}
}

// ids are n ids from first on.
func ids(first, n int) []counting.ID {
	all := make([]counting.ID, n)
	for i := range all {
		all[i] = counting.ID(first + i)
	}
	return all
}

// until waits for a time after the start of the test, which is that of a minute.
func until(d time.Duration) {
	time.Sleep(time.Until(began().Add(d)))
}

// began is the time at which a bubble of virtual time begins.
func began() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// wantReports fails the test unless a sink took reports of the windows from
// the start of the test on, with these numbers.
func (o *outside) wantReports(t *testing.T, sink string, counts ...int64) {
	t.Helper()
	got := o.taken(sink)
	if len(got) != len(counts) {
		t.Errorf("%s took %d reports, want %d: %+v", sink, len(got), len(counts), got)
		return
	}
	for i, r := range got {
		start := began().Add(time.Duration(i) * minute)
		want := publishing.Report{
			ID: fmt.Sprintf("footfall_%s", start.Format("20060102T150405Z")), Start: start, End: start.Add(minute), Count: counts[i],
		}
		check.Equal(t, r, want, "report %d of %s", i, sink)
	}
}
