package uniques_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// states says how far each window has come, newest first.
func states(windows []publishing.Summary) string {
	s := ""
	for _, w := range windows {
		s += fmt.Sprintf(" %s=%s:%d", w.Start.Format("15:04"), w.State, w.Count)
	}
	return s
}

func wantStates(t *testing.T, i *instance, limit int, want string) {
	t.Helper()
	windows, err := i.Windows(t.Context(), limit)
	check.OK(t, err)
	if got := states(windows); got != want {
		t.Errorf("the windows are%s, want%s", got, want)
	}
}

func TestWindowsShowHowFarEachHasCome(t *testing.T) {
	alone(t, func(t *testing.T, _ *outside, i *instance) {
		i.mustAccept(t, "", ids(0, 7)...)
		wantStates(t, i, 10, " 00:00=open:7")
		until(minute + time.Second) // it has ended, and its grace has not
		i.mustAccept(t, "", ids(0, 2)...)
		wantStates(t, i, 10, " 00:01=open:2 00:00=open:7")
		until(minute + 10*time.Second)
		wantStates(t, i, 10, " 00:01=open:2 00:00=done:7")
		until(2*minute + 10*time.Second)
		wantStates(t, i, 10, " 00:02=open:0 00:01=done:2 00:00=done:7")
		wantStates(t, i, 2, " 00:02=open:0 00:01=done:2")
		wantStates(t, i, 0, "")
		wantStates(t, i, -1, "")
		until(3 * minute) // the window before is empty, and waits for its grace
		wantStates(t, i, 3, " 00:03=open:0 00:02=open:0 00:01=done:2")
		summary, calls, err := i.Deliveries(t.Context(), "footfall_20000101T000200Z")
		if err != nil || summary.State != counting.Open || summary.Count != 0 || len(calls) != 0 {
			t.Errorf("the empty window that waits is %+v, %v, %v", summary, calls, err)
		}
	})
}

func TestAWindowIsPublishedWhileItsEndpointsAreCalled(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.answer = accepts(func() { time.Sleep(20 * time.Second) })
		i.mustAccept(t, "http://e/?key=1", ids(0, 7)...)
		// The window is open, and knows its endpoint.
		if _, calls := i.firstOf(t); len(calls) != 1 {
			t.Errorf("the calls of the open window are %+v", calls)
		}
		until(minute + 10*time.Second)
		wantStates(t, i, 10, " 00:01=open:0 00:00=published:7")
		summary, calls := i.firstOf(t)
		if summary.State != counting.Published || summary.Deliveries.Endpoints != 1 {
			t.Errorf("the window is %+v", summary)
		}
		if c, ok := calls["http://e/?key=1"]; len(calls) != 1 || !ok || c.Final {
			t.Errorf("the calls are %+v, want one without a result", calls)
		}
		until(minute + 40*time.Second)
		summary, calls = i.firstOf(t)
		if summary.State != counting.Done || summary.Deliveries.Delivered != 1 || summary.Sink != "rabbitmq" {
			t.Errorf("the window is %+v", summary)
		}
		delivered := counting.Delivery{Attempts: 1, Status: 200, Final: true}
		check.Equal(t, calls["http://e/?key=1"], delivered, "the delivery")
		until(minute + 9*time.Minute)
		_, calls = i.firstOf(t)
		check.Equal(t, calls["http://e/?key=1"], delivered, "the delivery after nine minutes")
	})
}

// A window that has ended and waits behind an older one is in the list.
func TestWindowsThatWaitBehindAnOlderOneAreListed(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.publish = func(context.Context, string, publishing.Report) error { return publishing.ErrRefused }
		i.mustAccept(t, "", ids(0, 7)...)
		until(minute + 30*time.Second)
		i.mustAccept(t, "", ids(0, 5)...)
		until(2*minute + 30*time.Second)
		i.mustAccept(t, "", ids(0, 3)...)
		until(3*minute + 30*time.Second)
		wantStates(t, i, 10, " 00:03=open:0 00:02=open:3 00:01=open:5 00:00=sealed:7")
	})
}

// More windows wait than a heartbeat lists, and each is listed.
func TestAllWindowsThatWaitAreListed(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		o.publish = func(context.Context, string, publishing.Report) error { return publishing.ErrRefused }
		const windows = counting.MaxWaiting + 50
		for w := range windows {
			until(time.Duration(w)*minute + 30*time.Second)
			i.mustAccept(t, "", ids(0, 1+w%5)...)
		}
		until(windows * minute)
		for _, limit := range []int{7, 50, 1000} {
			var listed []publishing.Summary
			var span publishing.Span
			for more := true; more; {
				var some []publishing.Summary
				var err error
				some, more, err = i.List(t.Context(), span, limit)
				check.Must(t, err)
				listed = append(listed, some...)
				span.To = some[len(some)-1].Start
			}
			check.Equal(t, len(listed), windows+1, "windows")
			for n, w := range listed[1:] {
				nth := windows - 1 - n
				if !w.Start.Equal(began().Add(time.Duration(nth)*minute)) || w.Count != int64(1+nth%5) {
					t.Fatalf("window %d is %+v", nth, w)
				}
			}
		}
	})
}

// U14: a window that can't be read is shown as damaged, and the others as they are.
func TestADamagedWindowIsShownAsSuch(t *testing.T) {
	for _, call := range []string{"distinct", "endpoints", "entry"} {
		alone(t, func(t *testing.T, _ *outside, i *instance) {
			i.mustAccept(t, "", ids(0, 7)...)
			until(minute + time.Second)
			i.mustAccept(t, "", ids(0, 3)...)
			bad := counting.WindowLength(minute).At(began())
			i.fail(failing(call, counting.Corrupt, bad))
			wantStates(t, i, 10, " 00:01=open:3 00:00=damaged:0")
			summary, calls := i.firstOf(t)
			if summary.State != counting.Damaged || summary.ID != "footfall_20000101T000000Z" || len(calls) != 0 {
				t.Errorf("the window is %+v, %v", summary, calls)
			}
		})
	}
}

// P3: a list that would lack something is an error.
func TestWindowsAreUnavailableWhileANodeIsAway(t *testing.T) {
	alone(t, func(t *testing.T, _ *outside, i *instance) {
		i.mustAccept(t, "", ids(0, 7)...)
		i.setAway("n2", true)
		check.Is(t, check.Err(i.Windows(t.Context(), 10)), counting.ErrUnavailable, "the list")
		check.Is(t, check.Err(i.Deliveries(t.Context(), "footfall_20000101T000000Z")), counting.ErrUnavailable, "one window")
		i.setAway("n2", false)
		for _, id := range []string{"", "footfall_20000101T000001Z", "footfall_20000101T000000Z_2s", "footfall_20991122T050000Z", "footfall_19991231T235900Z"} {
			check.Is(t, check.Err(i.Deliveries(t.Context(), id)), counting.ErrBadWindow, "%q", id)
		}
		summary, calls, err := i.Deliveries(t.Context(), i.cluster.View().Length().Name(counting.WindowLength(minute).At(time.Now())))
		if err != nil || summary.Count != 7 || len(calls) != 0 {
			t.Errorf("the open window is %+v, %v, %v", summary, calls, err)
		}
	})
}

// V31: where two nodes have an entry of a window, one that came late to a claim or
// one that was home before, the one that says more is shown, once.
func TestAWindowThatTwoNodesKnowIsListedOnce(t *testing.T) {
	alone(t, func(t *testing.T, _ *outside, i *instance) {
		i.mustAccept(t, "", ids(0, 7)...)
		until(minute + 10*time.Second)
		w := counting.WindowLength(minute).At(time.Now()) - 1
		for _, n := range i.nodes { // where it is done nothing happens
			check.Must(t, check.Err(n.Claim(t.Context(), w, "late", time.Second)))
		}
		wantStates(t, i, 10, " 00:01=open:0 00:00=done:7")
		wantStates(t, i, 2, " 00:01=open:0 00:00=done:7")
		if s, _ := i.firstOf(t); s.State != counting.Done || s.Count != 7 {
			t.Errorf("the window is %+v", s)
		}
	})
}

// X6: what is recorded of a window is on a second node when it is published, unless that can
// keep nothing of it.
func TestX6ACountIsCopiedBeforeItIsPublished(t *testing.T) {
	for _, broken := range []bool{false, true} {
		alone(t, func(t *testing.T, o *outside, i *instance) {
			w := counting.WindowLength(minute).At(began())
			v := i.cluster.View()
			home, second := v.Home(w), v.Second(w)
			if broken {
				for _, l := range i.links {
					if l.ID() == second.ID() {
						l.setFail(failing("claim", counting.Corrupt))
					}
				}
			}
			var copied counting.Entry
			o.publish = func(ctx context.Context, _ string, _ publishing.Report) (err error) {
				copied, _, err = i.nodes[v.Index(second.ID())].Entry(ctx, w)
				return err
			}
			i.mustAccept(t, "", ids(0, 7)...)
			until(minute + 10*time.Second)
			i.wantDone(t, counting.DeliveryTotals{})
			check.Equal(t, home.ID() == second.ID(), false, "the second is the home")
			want := counting.Entry{Window: w, State: counting.Sealed, Count: 7}
			if broken {
				want = counting.Entry{Window: w, State: counting.Open}
			}
			check.Equal(t, copied, want, "the copy when the count was published")
		})
	}
}

// A window that is over, and of which no node has an entry any more, isn't shown
// as open with the ids that are left of it.
func TestAWindowWithoutAnEntryIsNotShownAsOpen(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		i := d.instance(t, "a", o)
		i.mustAccept(t, "", ids(0, 7)...)
		until(minute + 10*time.Second)
		id, w := "footfall_20000101T000000Z", counting.WindowLength(minute).At(time.Now())-1
		if s, _, err := i.Deliveries(t.Context(), id); err != nil || s.State != counting.Open || s.Count != 7 {
			t.Errorf("the window that waits is %+v, %v", s, err)
		}
		for _, n := range d.nodes {
			check.Must(t, n.Retire(t.Context(), w))
		}
		if s, _, err := i.Deliveries(t.Context(), id); !errors.Is(err, counting.ErrBadWindow) {
			t.Errorf("the window that is over is %+v, %v", s, err)
		}
		wantStates(t, i, 10, " 00:01=open:0")
	})
}
