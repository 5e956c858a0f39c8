package uniques_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// down is the answer of endpoints that are down.
func down(context.Context, publishing.Report, publishing.Endpoint) (int, error) { return 503, nil }

// up lets all endpoints accept counts, and notes with which.
func (o *outside) up() { o.setAnswer(nil) }

func (o *outside) setAnswer(answer func(context.Context, publishing.Report, publishing.Endpoint) (int, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

// all is the selection of every failed callback.
func all() publishing.FailedSelection { return publishing.FailedSelection{Limit: publishing.MaxFailed} }

// mustRetry retries a selection to its end, and returns what came of it, as text.
func (i *instance) mustRetry(t *testing.T, f publishing.FailedSelection) (results []string) {
	t.Helper()
	for {
		some, next, err := i.RetryCallbacks(t.Context(), f)
		check.Must(t, err)
		for _, r := range some {
			results = append(results, fmt.Sprintf("%s %s %d %s", r.Window, r.Endpoint, r.Count, r.Result))
		}
		if next == "" {
			return results
		}
		f.Cursor = next
	}
}

func (i *instance) mustFailed(t *testing.T, f publishing.FailedSelection) (all []publishing.FailedCallback) {
	t.Helper()
	for {
		some, next, err := i.FailedCallbacks(t.Context(), f)
		check.Must(t, err)
		all = append(all, some...)
		if next == "" {
			return all
		}
		f.Cursor = next
	}
}

// failedWindows lets a window pass for each number of ids, with an endpoint that is down.
func (i *instance) failedWindows(t *testing.T, e publishing.Endpoint, numbers ...int) {
	t.Helper()
	for n, number := range numbers {
		i.mustAccept(t, e, ids(1000*n, number)...)
		until(time.Duration(n+1) * minute)
	}
	until(time.Duration(len(numbers)+1) * minute)
}

func TestAnEndpointThatWasDownGetsItsCountsByOneRetry(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.setAnswer(down)
		early := []*instance{d.run(t, "a", o), d.run(t, "b", o)}
		early[0].failedWindows(t, "http://e/?t=1", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		for _, i := range early {
			i.crash()
		}
		o.up()
		late := d.run(t, "c", o)
		var want []string
		for n := range 10 {
			want = append(want, fmt.Sprintf("footfall_20000101T00%02d00Z http://e/?t=1 %d delivered", n, n+1))
		}
		check.Equal(t, strings.Join(late.mustRetry(t, all()), "\n"), strings.Join(want, "\n"), "what was retried")
		check.Equal(t, len(late.mustRetry(t, all()))+len(late.mustFailed(t, all())), 0, "failed callbacks that are left")
		sent := make(map[string]int)
		for _, a := range o.retried {
			sent[a.ReportID]++
			check.Equal(t, a.Number, publishing.MaxAttempts+1, "number of the attempt for %s", a.ReportID)
		}
		check.Equal(t, len(sent), 10, "windows that were sent again")
		check.Equal(t, len(o.retried), 10, "attempts")
		check.Equal(t, o.observed[publishing.Delivered], 10, "observed deliveries")
	})
}

func TestARetryThatFailsLeavesTheCallbackOnRecord(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(down)
		i.failedWindows(t, "http://e/", 7)
		before := i.mustFailed(t, all())
		check.Equal(t, len(before), 1, "failed callbacks")
		o.setAnswer(func(context.Context, publishing.Report, publishing.Endpoint) (int, error) { return 404, nil })
		check.Equal(t, fmt.Sprint(i.mustRetry(t, all())), "[footfall_20000101T000000Z http://e/ 7 failed]", "results")
		want := before[0]
		want.Attempts, want.Status = publishing.MaxAttempts+1, 404
		check.Equal(t, i.mustFailed(t, all())[0], want, "the record")
		o.up()
		check.Equal(t, fmt.Sprint(i.mustRetry(t, all())), "[footfall_20000101T000000Z http://e/ 7 delivered]", "results")
	})
}

func TestInstancesThatRetryTogetherSendEachCallbackOnce(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.setAnswer(down)
		a, b := d.run(t, "a", o), d.run(t, "b", o)
		a.acceptEach(t, 150, "http://e%d/")
		until(2 * minute)
		o.setAnswer(accepts(func() { time.Sleep(time.Second) }))
		var both sync.WaitGroup
		var results [2][]string
		for n, i := range []*instance{a, b} {
			both.Go(func() { results[n] = i.mustRetry(t, all()) })
		}
		both.Wait()
		check.Equal(t, len(o.retried), 150, "attempts")
		delivered := strings.Count(fmt.Sprint(results), " delivered")
		check.Equal(t, delivered, 150, "delivered, as the calls say")
		check.Equal(t, len(a.mustFailed(t, all())), 0, "failed callbacks that are left")
	})
}

func TestARetryOfAnInstanceThatDiedIsRepeatedAMinuteLater(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.setAnswer(down)
		a, b := d.run(t, "a", o), d.run(t, "b", o)
		a.failedWindows(t, "http://e/", 7)
		o.setAnswer(hang)
		dead := make(chan struct{})
		go func() {
			defer close(dead)
			_, _, err := a.RetryCallbacks(t.Context(), all())
			check.Is(t, err, counting.ErrUnavailable, "the retry that was interrupted")
		}()
		time.Sleep(time.Second)
		a.fail(func(string, counting.Window) error { return errDead })
		a.crash()
		<-dead
		o.up()
		const callback = "footfall_20000101T000000Z http://e/ 7 "
		check.Equal(t, fmt.Sprint(b.mustRetry(t, all())), "["+callback+"busy]", "a retry immediately after")
		time.Sleep(counting.MaxLease)
		check.Equal(t, fmt.Sprint(b.mustRetry(t, all())), "["+callback+"delivered]", "a retry a minute later")
	})
}

// P7: retries have places of their own.
func TestP7RetriesThatHangDelayNoWindow(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(down)
		i.acceptEach(t, 1000, "http://e%d/")
		until(2*minute - 10*time.Second)
		var called sync.Map
		var hanging atomic.Int64
		o.setAnswer(func(ctx context.Context, r publishing.Report, e publishing.Endpoint) (int, error) {
			if strings.HasPrefix(e.Host(), "e") {
				hanging.Add(1)
				return hang(ctx, r, e)
			}
			called.Store(e, time.Now())
			return 200, nil
		})
		i.acceptEach(t, 300, "http://good%d/")
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		until(2*minute - 5*time.Second)
		for n := range 5 {
			f := all()
			for range n { // each call has others
				_, f.Cursor, _ = i.FailedCallbacks(ctx, f)
			}
			calls.Go(func() { _, _, _ = i.RetryCallbacks(ctx, f) })
		}
		until(2*minute + 10*time.Second)
		if n := hanging.Load(); n < 64 {
			t.Errorf("%d retries hang, want as many as may", n)
		}
		n := 0
		called.Range(func(e, at any) bool {
			n++
			if late := at.(time.Time).Sub(began().Add(2*minute + grace)); late > time.Second {
				t.Errorf("%v was called %v after the grace", e, late)
			}
			return true
		})
		check.Equal(t, n, 300, "endpoints of the window that were called")
		cancel()
		calls.Wait()
	})
}

func TestFailedCallbacksAreSelected(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(down)
		i.acceptEach(t, 7, "http://e%d/")
		i.failedWindows(t, "http://e3/", 1, 2, 3)
		check.Equal(t, len(i.mustFailed(t, publishing.FailedSelection{Limit: 2})), 9, "all of them, two at a time")
		check.Equal(t, len(i.mustFailed(t, publishing.FailedSelection{Limit: 2, Endpoint: "http://e3/"})), 3, "those of an endpoint")
		check.Equal(t, len(i.mustFailed(t, publishing.FailedSelection{Limit: 2, Window: "footfall_20000101T000200Z"})), 1, "those of a window")
		check.Equal(t, len(i.mustFailed(t, publishing.FailedSelection{Limit: 2, Since: began().Add(2 * minute)})), 2, "those since a time")
		o.up()
		check.Equal(t, fmt.Sprint(i.mustRetry(t, publishing.FailedSelection{Limit: 1, Endpoint: "http://e3/", Since: began().Add(3 * minute)})),
			"[footfall_20000101T000200Z http://e3/ 3 delivered]", "what was retried")
		check.Equal(t, len(i.mustFailed(t, all())), 8, "failed callbacks that are left")
		for cursor, want := range map[string]error{"x": publishing.ErrBadCursor, "000000000000000": publishing.ErrBadCursor, "1.2": publishing.ErrBadCursor} {
			_, _, err := i.FailedCallbacks(t.Context(), publishing.FailedSelection{Limit: 1, Cursor: cursor})
			check.Is(t, err, want, "%q", cursor)
		}
		_, _, err := i.RetryCallbacks(t.Context(), publishing.FailedSelection{Limit: 1, Window: "footfall_20000101T000230Z"})
		check.Is(t, err, counting.ErrBadWindow, "no window")
	})
}

// A retry ends though callbacks fail all the time.
func TestFollowingTheCursorEndsThoughCallbacksFail(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(down)
		i.acceptEach(t, 10, "http://e%d/")
		until(2 * minute)
		f := publishing.FailedSelection{Limit: 4}
		_, f.Cursor, _ = i.FailedCallbacks(t.Context(), f)
		i.acceptEach(t, 10, "http://f%d/")
		until(4 * minute)
		check.Equal(t, len(i.mustFailed(t, f)), 6, "those that are left of the selection")
		check.Equal(t, len(i.mustFailed(t, all())), 20, "all")
	})
}

// The time of a failure is that of a node, whose clock may be ahead, even for long.
func TestCallbacksThatFailedWhileTheClocksOfNodesAreAheadAreListed(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(func(context.Context, publishing.Report, publishing.Endpoint) (int, error) {
			for _, n := range i.nodes {
				i.setSkew(n.ID(), time.Hour)
			}
			return 503, nil
		})
		i.failedWindows(t, "http://e/", 7)
		check.Equal(t, len(i.mustFailed(t, all())), 1, "failed callbacks")
		o.up()
		check.Equal(t, fmt.Sprint(i.mustRetry(t, all())), "[footfall_20000101T000000Z http://e/ 7 delivered]", "results")
	})
}

func TestNothingIsRetriedWhileANodeIsAway(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.setAnswer(down)
		i.failedWindows(t, "http://e/", 7)
		i.setAway("n2", true)
		_, _, err := i.RetryCallbacks(t.Context(), all())
		check.Is(t, err, counting.ErrUnavailable, "a retry")
		_, _, err = i.FailedCallbacks(t.Context(), all())
		check.Is(t, err, counting.ErrUnavailable, "a list")
		i.setAway("n2", false)
		i.links[1].setFail(failing("claim dead letters", counting.ErrInDoubt))
		_, _, err = i.RetryCallbacks(t.Context(), all())
		check.Is(t, err, counting.ErrUnavailable, "a retry without claims")
		check.Equal(t, len(o.retried), 0, "attempts")
		i.fail(nil)
		o.up()
		check.Equal(t, len(i.mustRetry(t, all())), 1, "retried when the node is back")
	})
}
