package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/uniques"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// printed is a publisher that keeps what it took.
type printed struct{ reports map[string][]int64 }

func (printed) Name() string { return "printed" }

func (p printed) Publish(_ context.Context, r publishing.Report) error {
	p.reports[r.ID] = append(p.reports[r.ID], r.Count)
	return nil
}

func (printed) Permits(publishing.Endpoint) error   { return nil }
func (printed) LogAttempt(publishing.Attempt) error { return nil }

// LogEnd implements publishing.Journal.
func (printed) LogEnd(string) error { return nil }

// Retry implements publishing.Notifier.
func (p printed) Retry(ctx context.Context, r publishing.Report, e publishing.Endpoint, n int) publishing.Attempt {
	return p.Notify(ctx, r, e, n)
}

func (printed) Notify(_ context.Context, r publishing.Report, e publishing.Endpoint, n int) publishing.Attempt {
	return publishing.Attempt{ReportID: r.ID, Endpoint: e, Number: n, Outcome: publishing.Delivered, Status: 200}
}

// counter closes the windows of a deployment.
type counter struct {
	*deployment
	*uniques.Service
	sink printed
	next counting.ID
}

func newCounter(t *testing.T, d *deployment) *counter {
	t.Helper()
	p := printed{make(map[string][]int64)}
	u := uniques.New(uniques.Options{
		Cluster: d.cluster, Publishers: []publishing.Publisher{p}, Notifier: p, Journal: p, Instance: "counter", Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { _ = u.Stop(context.Background()) })
	return &counter{deployment: d, Service: u, sink: p}
}

// pass lets so many windows pass, window w with w % 5 ids.
func (c *counter) pass(t *testing.T, windows int) {
	t.Helper()
	for range windows {
		for range int64(counting.WindowLength(time.Minute).At(time.Now())) % 5 {
			c.next++
			check.Must(t, check.Err(c.Accept(t.Context(), netip.Prefix{}, c.next, "http://e.example/")))
		}
		time.Sleep(time.Minute)
		_ = c.Scan(t.Context())
		time.Sleep(time.Second)
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	}
	_ = c.Scan(t.Context())
	time.Sleep(10 * time.Second)
}

// wantAll wants every window that was published once, done, with its count and
// its calls, in the list and asked for by its id.
func (c *counter) wantAll(t *testing.T) {
	t.Helper()
	windows := check.Value(c.Windows(t.Context(), 10_000))(t)
	listed := make(map[string]int)
	for _, w := range windows {
		listed[w.ID]++
		if w.State == counting.Done && (len(c.sink.reports[w.ID]) == 0 || w.Count != c.sink.reports[w.ID][0]) {
			t.Errorf("%s is listed with %d, and was published with %d", w.ID, w.Count, c.sink.reports[w.ID])
		}
	}
	missing, differ := 0, 0
	for _, id := range slices.Sorted(maps.Keys(c.sink.reports)) {
		counts := c.sink.reports[id]
		if len(counts) != 1 || listed[id] > 1 {
			t.Errorf("%s was published %d times, and is listed %d times", id, len(counts), listed[id])
		}
		if listed[id] == 0 {
			missing++
		}
		one, _, err := c.Deliveries(t.Context(), id)
		want := counting.DeliveryTotals{}
		if counts[0] > 0 {
			want = counting.DeliveryTotals{Endpoints: 1, Delivered: 1}
		}
		if err != nil || one.State != counting.Done || one.Count != counts[0] || one.Sink != "printed" || one.Deliveries != want {
			differ++
			t.Logf("%s is %+v, %v, and was published with %d", id, one, err, counts)
		}
	}
	if missing+differ > 0 {
		t.Errorf("of %d windows %d are not listed, and %d are not shown as they are", len(c.sink.reports), missing, differ)
	}
}

// forgotten waits until the ring has a number of members.
func (c *counter) forgotten(t *testing.T, members int) {
	t.Helper()
	for range 20 {
		if len(c.cluster.View().Members()) == members {
			return
		}
		c.pass(t, 1)
	}
	t.Fatalf("members are %+v", c.cluster.View().Members())
}

// changed settles a change, and lets windows pass by the new ring.
func (c *counter) changed(t *testing.T) func(plan sharding.Plan, err error) {
	return func(_ sharding.Plan, err error) {
		t.Helper()
		check.Must(t, err)
		c.resolve(t)
		c.pass(t, 4)
		c.wantAll(t)
	}
}

// V31, P5: whatever nodes come and go, also when none is left of those that there were,
// every window that was published is shown as what it was.
func TestWindowsOutliveTheNodesThatKnewThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, newDeployment(t, 3))
		c.pass(t, 30)
		c.wantAll(t)
		change := c.changed(t)
		for i := range 3 {
			change(c.ring.Add(t.Context(), fmt.Sprintf("n%d:1", 4+i), 1, false))
			change(c.ring.Reweight(t.Context(), counting.NodeID(fmt.Sprint("n", 3+i)), 2, false))
			change(c.ring.Remove(t.Context(), counting.NodeID(fmt.Sprint("n", 1+i)), false))
			c.forgotten(t, 3)
			c.wantAll(t)
			c.wantCalls(t)
		}
		if c.cluster.View().Index("n3") >= 0 || len(c.sink.reports) < 60 {
			t.Errorf("members %+v, %d windows", c.cluster.View().Members(), len(c.sink.reports))
		}
	})
}

// V31: a node that is removed is let go when others have what it knows of windows, and
// not before, whatever else is changed.
func TestANodeIsNotLetGoBeforeOthersKnowItsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		calls.Store(1 << 40)
		// For some calls, a node doesn't take entries over, or does and doesn't say so.
		reluctant := func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
			if c.Method != "importentries" {
				return do(ctx)
			}
			left := calls.Add(-1)
			if left < 0 || left%2 == 1 {
				_, err := do(ctx)
				if left < 0 {
					return nil, err
				}
			}
			return nil, errors.New("no answer")
		}
		d := newDeploymentOf(t, 3, func(n *localnode.Node) cluster.Node { return &chaos.Link{Far: n, Around: reluctant} })
		c := newCounter(t, d)
		c.pass(t, 20)
		c.changed(t)(c.ring.Remove(t.Context(), "n1", false))
		check.Is(t, check.Err(c.ring.Reweight(t.Context(), "n2", 2, false)), counting.ErrUnavailable, "a change that would let the node go")
		if v := c.cluster.View(); v.Index("n1") < 0 || calls.Load() == 1<<40 {
			t.Errorf("members are %+v, and no node had to take anything", v.Members())
		}
		calls.Store(7)
		c.forgotten(t, 2)
		c.wantAll(t)
	})
}

// wantCalls wants the calls of the windows of the last minutes to be known.
func (c *counter) wantCalls(t *testing.T) {
	t.Helper()
	now := counting.WindowLength(time.Minute).At(time.Now())
	for w := now - 9; w < now; w++ {
		id := counting.WindowLength(time.Minute).Name(w)
		if len(c.sink.reports[id]) == 0 {
			continue // no instance was running
		}
		summary, calls, err := c.Deliveries(t.Context(), id)
		if err != nil || summary.Count > 0 && !calls["http://e.example/"].Delivered() {
			t.Errorf("the calls of %s are %v, %v", id, calls, err)
		}
	}
}
