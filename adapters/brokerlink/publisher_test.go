package brokerlink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestAReportWaitsForTheFirstAttemptToConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p, log := start(t, settings{slow: 3 * time.Second}, "a")
		check.Equal(t, p.Away(), nil, "the outage before the first attempt")
		took, err := after(func() error { return publish(t, p) })
		check.OK(t, err)
		check.Equal(t, took, 3*time.Second, "the time of a report")
		check.Equal(t, log.Lines("the broker is connected", "queue=q addr=a link=1"), 1, "lines that say so")
	})
}

func TestReportsAreRefusedImmediatelyWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{errDown, "broker: not reached\nconnection refused"}, // by whom could it be refused?
		{errOther, "publisher refused: broker: log in: refused"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p, _ := start(t, settings{slow: 2 * time.Second, down: map[string]error{"a": c.err}}, "a")
			took, err := after(func() error { return publish(t, p) })
			mustRefuse(t, err)
			check.Equal(t, took, 2*time.Second, "the time of the first report")
			for range 20 { // during pauses, and during attempts
				time.Sleep(300 * time.Millisecond)
				took, err = after(func() error { return publish(t, p) })
				mustRefuse(t, err)
				check.Is(t, err, c.err, "the reason")
				check.Equal(t, err.Error(), c.want, "the text")
				check.Equal(t, took, 0, "the time of a report")
			}
			w.mend("a")
			time.Sleep(8 * time.Second)
			check.OK(t, publish(t, p), "when it is back")
			check.Equal(t, p.Away(), nil, "the outage")
		})
	}
}

// A link that is lost may be open again in a moment, unless the server is known to be away.
func TestAReportWaitsAfterALossWhileItIsNotKnownWhetherTheServerIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := start(t, settings{}, "a")
		synctest.Wait()
		w.change(func(s *settings) { s.slow = time.Second })
		w.lose(errors.New("reset"))
		synctest.Wait()
		check.Says(t, p.Away().Err, "reset")
		took, err := after(func() error { return publish(t, p) })
		check.OK(t, err)
		if took < time.Second {
			t.Errorf("it took %v, less than the next attempt", took)
		}
		w.lose(errDown)
		synctest.Wait()
		took, err = after(func() error { return publish(t, p) })
		mustRefuse(t, err, "connection refused")
		check.Equal(t, took, 0, "the time of a report")
	})
}

// A link that is lost takes no report, also while it is being closed.
func TestALostLinkIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := start(t, settings{closes: time.Second}, "a")
		synctest.Wait()
		w.lose(errors.New("reset"))
		synctest.Wait()
		check.OK(t, publish(t, p))
	})
}

// Pauses double from 0.2 to 5 s, of which up to a half is left out by chance. A link that
// lasted begins again.
func TestPausesDoubleUpToABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w, _, _ := start(t, settings{down: map[string]error{"a": errDown}}, "a")
		time.Sleep(time.Minute)
		all := w.times(began.Add(-1))
		checkPauses(t, all)
		if n := len(all); n < 15 || n > 30 {
			t.Errorf("%d attempts in a minute", n)
		}
		w.mend("a")
		time.Sleep(time.Minute)
		w.fail("a", errDown)
		w.lose(errors.New("lost"))
		began = time.Now()
		time.Sleep(time.Minute)
		checkPauses(t, append([]time.Time{began}, w.times(began)...))
	})
}

func checkPauses(t *testing.T, tried []time.Time) {
	t.Helper()
	varied := make(map[time.Duration]bool)
	for i, pause := 1, 200*time.Millisecond; i < len(tried); i, pause = i+1, min(2*pause, 5*time.Second) {
		got := tried[i].Sub(tried[i-1])
		if got < pause/2 || got >= pause {
			t.Errorf("the pause %d is %v, want %v to %v", i, got, pause/2, pause)
		}
		if pause == 5*time.Second {
			varied[got] = true
		}
	}
	if len(varied) < 3 {
		t.Errorf("the longest pauses of %v do not vary", tried)
	}
}

// A server that closes each link immediately is no success.
func TestALinkThatIsLostImmediatelyDoesNotShortenThePauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := start(t, settings{}, "a")
		for began := time.Now(); time.Since(began) < time.Minute; {
			synctest.Wait()
			if _, open := w.opened(); open > 0 {
				w.lose(errors.New("closed"))
			}
			time.Sleep(10 * time.Millisecond)
		}
		if all, _ := w.opened(); all > 30 {
			t.Errorf("%d links in a minute", all)
		}
	})
}

func TestEachReasonIsLoggedOnceAndTheOutageHasTheTimeOfTheLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, log := start(t, settings{}, "a", "b")
		synctest.Wait()
		time.Sleep(time.Minute)
		w.fail("a", errors.New("port 1: refused"))
		w.fail("b", errOther)
		began := time.Now()
		w.lose(errors.New("lost"))
		for i := range 100 {
			time.Sleep(time.Second)
			w.fail("a", fmt.Errorf("port %d: refused", i))
		}
		check.Equal(t, log.Lines("the broker is away", "queue=q addr=a,b error=lost"), 1, "lines about the loss")
		check.Equal(t, log.Lines("the broker is away"), 2, "lines")
		check.Equal(t, p.Away().Since, began, "the time of the loss")
		check.Equal(t, p.Away().Addr, "a,b", "where it is")
		check.Says(t, p.Away().Err, "b: log in: refused; a: port ") // b is the next one after a
		w.mend("b")
		time.Sleep(10 * time.Second)
		check.Equal(t, p.Away(), nil, "the outage")
		w.mend("a")
		for i := range 2 { // again, for the same reason
			w.lose(errors.New("lost"))
			time.Sleep(10 * time.Second)
			check.Equal(t, log.Lines("the broker is away", "error=lost"), 2+i, "lines about the losses")
		}
	})
}

func TestTheServerAfterTheLastOneIsTriedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := start(t, settings{down: map[string]error{"a": errDown}}, "a", "b", "c")
		synctest.Wait()
		check.Equal(t, w.attempts(), "a b", "attempts")
		w.mend("a")
		for _, want := range []string{"a b c", "a b c a", "a b c a b"} {
			w.lose(errors.New("lost"))
			time.Sleep(5 * time.Second)
			check.Equal(t, w.attempts(), want, "attempts")
			if _, open := w.opened(); open != 1 {
				t.Errorf("%d links are open", open)
			}
		}
	})
}

// What a link says of a report decides its error, whether the link is used again and whether
// reports are taken.
func TestTheOutcomeOfAReportIsTrue(t *testing.T) {
	t.Parallel()
	why := errors.New("why")
	for _, c := range []struct {
		out           brokerlink.Outcome
		want          string
		links         int
		away, refused bool
	}{
		{brokerlink.Outcome{}, "", 1, false, false},
		{brokerlink.Outcome{Err: why}, "publisher refused: broker: why", 1, true, true},
		{brokerlink.Outcome{Err: why, Over: true}, "publisher refused: broker: why", 2, true, true},
		{brokerlink.Outcome{Err: why, InDoubt: true}, "broker: in doubt: why", 1, false, false},
		{brokerlink.Outcome{Err: why, InDoubt: true, Over: true}, "broker: in doubt: why", 2, true, false},
		{brokerlink.Outcome{Err: context.Canceled}, "publisher refused: broker: context canceled", 1, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p, log := start(t, settings{sends: func(context.Context, publishing.Report) brokerlink.Outcome { return c.out }}, "a")
			err := publish(t, p)
			check.Equal(t, fmt.Sprint(err), map[bool]string{true: "<nil>", false: c.want}[c.want == ""], "the error")
			check.Equal(t, errors.Is(err, publishing.ErrRefused), c.refused, "a refusal")
			check.Equal(t, p.Away() != nil, c.away, "%v: it is away", c.out)
			w.change(func(s *settings) { s.sends = nil })
			check.OK(t, publish(t, p), "the next report")
			all, open := w.opened()
			check.Equal(t, all, c.links, "%v: links", c.out)
			check.Equal(t, open, 1, "%v: open links", c.out)
			check.Equal(t, p.Away(), nil, "%v: the outage", c.out)
			if c.away {
				check.Equal(t, log.Lines("the broker is away", "error=why"), 1, "lines that say why")
			}
		})
	}
}

// Reports are sent one by one. One whose context ends while it waits is refused, and never sent.
func TestReportsAreSentOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sending, sent := 0, ""
		_, p, _ := start(t, settings{sends: func(_ context.Context, r publishing.Report) brokerlink.Outcome {
			if sending++; sending > 1 {
				t.Error("two reports are sent at a time")
			}
			sent += r.ID
			time.Sleep(4 * time.Second)
			sending--
			return brokerlink.Outcome{}
		}}, "a")
		var all sync.WaitGroup
		var errs []error
		var mu sync.Mutex
		for range 4 {
			all.Go(func() {
				err := publish(t, p) // has 10 s
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
		all.Wait()
		check.Equal(t, sent, "aaa", "what was sent")
		refused := 0
		for _, err := range errs {
			if err != nil {
				mustRefuse(t, err, "deadline exceeded")
				refused++
			}
		}
		check.Equal(t, refused, 1, "reports that are refused")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 { // the turn is free, which a select may prefer
			mustRefuse(t, p.Publish(ended, report("b")), "canceled")
		}
		check.Equal(t, sent, "aaa", "what was sent")
	})
}

// The end of a synctest bubble finds goroutines that are left.
func TestStopEndsAllThatRuns(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]settings{
		"connecting": {slow: time.Hour}, "connected": {}, "away": {down: map[string]error{"a": errDown}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, p, _ := start(t, world, "a")
			synctest.Wait()
			check.Must(t, p.Start(t.Context()), name)
			check.Must(t, p.Stop(t.Context()), name)
			check.Must(t, p.Stop(t.Context()), name)
			mustRefuse(t, publish(t, p), "it was stopped")
			check.Must(t, p.Start(t.Context()), name)
			mustRefuse(t, publish(t, p), "it was stopped")
			if _, open := w.opened(); open != 0 {
				t.Errorf("%s: %d links are open", name, open)
			}
		})
	}
}

func TestStopEndsAReportThatIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p, _ := start(t, settings{sends: func(ctx context.Context, _ publishing.Report) brokerlink.Outcome {
			<-ctx.Done()
			return brokerlink.Outcome{Err: ctx.Err(), InDoubt: true, Over: true}
		}}, "a")
		ended := make(chan error)
		go func() { ended <- p.Publish(context.Background(), report("a")) }()
		synctest.Wait()
		check.Must(t, p.Stop(t.Context()))
		err := <-ended
		check.Equal(t, errors.Is(err, publishing.ErrRefused), false, "a report that was sent is refused")
		check.Says(t, err, "in doubt")
	})
}

func TestStopReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := start(t, settings{}, "a")
		synctest.Wait()
		w.change(func(s *settings) { s.closes = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		took, err := after(func() error { return p.Stop(ctx) })
		check.Is(t, err, context.DeadlineExceeded, "stop")
		check.Equal(t, took, time.Second, "its time")
	})
}

func TestAPublisherThatWasNotStartedRefuses(t *testing.T) {
	t.Parallel()
	w := &world{}
	p := brokerlink.New(brokerlink.Options{Name: "broker", Addrs: []string{"a"}, Open: w.open}, slog.New(slog.DiscardHandler))
	check.Equal(t, p.Name(), "broker", "the name")
	mustRefuse(t, publish(t, p), "it was not started")
	check.Must(t, p.Stop(t.Context()))
	check.Must(t, p.Start(t.Context()))
	check.Must(t, p.Stop(t.Context()))
	mustRefuse(t, publish(t, p), "it was stopped")
	check.Equal(t, w.attempts(), "", "attempts")
}

// A call that knows no context ends when the time is up, with the connection.
func TestConnectBoundsWhatKnowsNoContext(t *testing.T) {
	t.Parallel()
	l := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { l.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	err := brokerlink.Connect(ctx, l.Addr().String(), func(ctx context.Context, c net.Conn) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("it has no bound")
		}
		cancel()
		_, err := c.Read(make([]byte, 1)) // without end
		return err
	})
	check.Is(t, err, brokerlink.ErrNotReached, "a silent server")
	check.Says(t, err, "does not answer")
	ctx, cancel = context.WithCancel(t.Context())
	err = brokerlink.Connect(ctx, l.Addr().String(), func(context.Context, net.Conn) error { cancel(); return nil })
	check.Is(t, err, brokerlink.ErrNotReached, "a setup that has succeeded over a connection that is closed")

	var conn net.Conn
	err = brokerlink.Connect(t.Context(), l.Addr().String(), func(_ context.Context, c net.Conn) error { conn = c; return errOther })
	check.Is(t, err, errOther, "a server that refuses")
	check.Equal(t, errors.Is(err, brokerlink.ErrNotReached), false, "it was not reached")
	check.Fails(t, check.Err(conn.Write([]byte("x"))), "the connection is open")

	check.Must(t, brokerlink.Connect(t.Context(), l.Addr().String(), func(_ context.Context, c net.Conn) error { conn = c; return nil }))
	check.OK(t, check.Err(conn.Write([]byte("x"))))
	conn.Close()
	l.Close()
	err = brokerlink.Connect(t.Context(), l.Addr().String(), nil)
	check.Is(t, err, brokerlink.ErrNotReached, "a server that is not there")
	check.Equal(t, strings.Contains(err.Error(), "connection refused"), true, "%v has the reason", err)
}
