package uniques_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

var errUnknown = errors.New("no confirm")

// once is a sink that answers the first report by an error.
func once(sink string, err error) func(context.Context, string, publishing.Report) error {
	first := true
	return func(_ context.Context, name string, _ publishing.Report) error {
		if name != sink || !first {
			return nil
		}
		first = false
		return err
	}
}

// U18: what could not be published is published later, with its own number.
func TestAPublisherThatFailsOnceLosesNoMinute(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, i *instance) {
		failures := 0
		o.publish = func(context.Context, string, publishing.Report) error {
			if failures < 4 { // both sinks, twice
				failures++
				return publishing.ErrRefused
			}
			return nil
		}
		o.answer = accepts(func() {
			if len(o.taken("rabbitmq")) == 0 {
				t.Error("the endpoint was notified before anyone took the report")
			}
		})
		i.mustAccept(t, "http://e/", ids(0, 7)...)
		until(minute + 5*time.Second)
		i.mustAccept(t, "", ids(100, 3)...)
		until(minute + 20*time.Second)
		o.wantReports(t, "rabbitmq", 7)
		o.wantReports(t, "log")
		check.Equal(t, len(o.attempts()["http://e/"]), 1, "calls of the endpoint, which come after the publication")
		until(2*minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 7, 3)
	})
}

// U3, U4: the second publisher takes what the first one refuses, and the
// first one is tried again with the next window.
func TestTheNextPublisherTakesWhatTheFirstRefuses(t *testing.T) {
	for _, failure := range []error{publishing.ErrRefused, errUnknown} {
		alone(t, func(t *testing.T, o *outside, i *instance) {
			o.publish = once("rabbitmq", failure)
			i.mustAccept(t, "", ids(0, 7)...)
			until(minute + 10*time.Second)
			o.wantReports(t, "log", 7)
			windows, err := i.Windows(t.Context(), 10)
			if err != nil || len(windows) != 2 || windows[1].Sink != "log" {
				t.Errorf("the windows are %+v, %v; want the sink log", windows, err)
			}
			until(2*minute + 10*time.Second)
			o.wantReports(t, "log", 7)
			if all := o.taken("rabbitmq"); all[len(all)-1].Start.Minute() != 1 {
				t.Errorf("rabbitmq took %+v, want the second window", all)
			}
		})
	}
}

// A sink that never answers costs a window 5 s, not its number.
func TestAPublisherThatHangsIsPassedOver(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		o.publish = func(ctx context.Context, sink string, _ publishing.Report) error {
			if sink == "rabbitmq" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		d.run(t, "a", o).mustAccept(t, "", ids(0, 7)...)
		until(minute + grace + 6*time.Second)
		o.wantReports(t, "log", 7)
	})
}

// N4: a broker that does not confirm is one line for each outage, and another every ten
// minutes. It says where the counts are.
func TestN4ABrokerThatDoesNotConfirmIsLoggedOncePerOutage(t *testing.T) {
	alone(t, func(t *testing.T, o *outside, _ *instance) {
		down := func(is bool) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.publish = func(_ context.Context, sink string, _ publishing.Report) error {
				if is && sink == "rabbitmq" {
					return publishing.ErrRefused
				}
				return nil
			}
		}
		lines := func() int {
			return o.log.Lines("earlier publishers did not confirm, so counts go to the capture log", "path=/var/capture.log", "publish to rabbitmq")
		}
		down(true)
		until(15*minute + 30*time.Second)
		check.Equal(t, len(o.taken("log")), 15, "counts in the log")
		check.Equal(t, lines(), 2, "lines in 15 minutes")
		down(false)
		until(17*minute + 30*time.Second)
		check.Equal(t, len(o.taken("rabbitmq")), 2, "counts in the broker")
		down(true)
		until(20*minute + 30*time.Second)
		check.Equal(t, lines(), 3, "lines after the second outage")
	})
}

// U7: a crash between publish and mark repeats the same id and number.
func TestACrashBetweenPublishAndMarkRepeatsTheSameReport(t *testing.T) {
	for _, call := range []string{"claim", "seal", "record", "publish", "endpoints", "entry", "finish", "retire"} {
		scenario(t, func(t *testing.T, o *outside, d *deployment) {
			a := d.run(t, "a", o)
			a.mustAccept(t, "", ids(0, 7)...)
			var dead atomic.Bool
			a.fail(func(c string, _ counting.Window) error {
				if c == call {
					dead.Store(true)
				}
				if dead.Load() {
					return errDead
				}
				return nil
			})
			until(minute + 5*time.Second)
			a.crash()
			d.run(t, "b", o).mustAccept(t, "", ids(100, 3)...)
			until(minute + 50*time.Second)
			reports := o.taken("rabbitmq")
			want := 1
			if call == "publish" {
				want = 2
			}
			check.Equal(t, len(reports), want, "reports after %s", call)
			for _, r := range reports {
				if r.ID != "footfall_20000101T000000Z" || r.Count != 7 {
					t.Errorf("%s: the report is %+v", call, r)
				}
			}
			d.wantNothingWaiting(t)
		})
	}
}

// U20: the ids are there however late the closer comes.
func TestACloserThatIsLateFindsEveryID(t *testing.T) {
	for _, late := range []time.Duration{3 * minute, time.Hour, 48 * time.Hour} {
		scenario(t, func(t *testing.T, o *outside, d *deployment) {
			a := d.run(t, "a", o)
			a.mustAccept(t, "http://e/", ids(0, 7)...)
			a.crash()
			until(minute + late)
			d.run(t, "b", o)
			until(minute + late + 10*time.Second)
			o.wantReports(t, "rabbitmq", 7)
			check.Equal(t, len(o.attempts()["http://e/"]), 1, "calls of the endpoint, %v late", late)
		})
	}
}

// A window that another instance is closing is left to it until its lease is
// over.
func TestABusyWindowIsLeftToItsOwner(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		frozen := make(chan struct{})
		first := true
		o.publish = func(context.Context, string, publishing.Report) error {
			if first {
				first = false
				<-frozen
			}
			return nil
		}
		a, b := d.instance(t, "a", o), d.instance(t, "b", o)
		a.mustAccept(t, "http://e/", ids(0, 7)...)
		until(minute + 3*time.Second)
		scanned := make(chan error)
		go func() { scanned <- a.Scan(t.Context()) }()
		synctest.Wait()
		check.OK(t, b.Scan(t.Context()), "a scan of a busy window")
		o.wantReports(t, "rabbitmq")
		time.Sleep(16 * time.Second)
		check.OK(t, b.Scan(t.Context()))
		o.wantReports(t, "rabbitmq", 7)
		close(frozen) // a goes on, long after its lease
		check.OK(t, <-scanned, "a closer that was superseded")
		synctest.Wait()
		for _, r := range o.taken("rabbitmq") {
			check.Equal(t, r.Count, 7, "the number of a report")
		}
		check.Equal(t, len(o.attempts()["http://e/"]), 1, "calls of the endpoint")
	})
}
