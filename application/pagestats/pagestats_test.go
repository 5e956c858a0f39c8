package pagestats_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"footfall/application/pagestats"
	"footfall/domain/counting"
	"footfall/test/check"
)

func TestNumbersAreThoseOfAllNodes(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.want(w.await(""), "")
		w.count("blog/", 1500)
		w.count("shop/", 700)
		time.Sleep(pagestats.Fresh)
		var all sync.WaitGroup
		for range 5 { // all callers share one scan
			for _, prefix := range []string{"", "blog/", "blog/1", "shop/6", "none"} {
				all.Go(func() { w.want(w.await(prefix), prefix) })
			}
		}
		all.Wait()
		if w.scans > 3 { // of the first caller, of those that came meanwhile, and the one above
			t.Errorf("%d scans were made", w.scans)
		}
	})
}

func TestAScanTakesFivePercentOfANode(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 2000)
		w.takes = 10 * time.Millisecond
		for i := range 20 {
			go func() { _, _ = w.ask(fmt.Sprint("blog/", i)) }()
		}
		began := time.Now()
		w.want(w.await(""), "")
		w.want(w.await("blog/7"), "blog/7")
		w.wantGentle()
		if took := time.Since(began); took > 20*time.Second { // three nodes are read at the same time
			t.Errorf("two scans of about 32 calls took %v", took)
		}
	})
}

func TestACallThatFailsIsFollowedByItsPause(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 200)
		w.takes = 500 * time.Millisecond
		w.fault = func(id counting.NodeID) error {
			if id == "n2" {
				return counting.ErrNotApplied
			}
			return nil
		}
		for range 60 {
			_, _ = w.ask("")
			time.Sleep(time.Second)
		}
		w.wantGentle()
		if n := len(w.called()["n2"]); n < 5 {
			t.Errorf("n2 was called %d times in a minute", n)
		}
	})
}

func TestNothingIsScannedWhileNoCallerAsks(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 100)
		w.want(w.await(""), "")
		calls := w.calls()
		time.Sleep(pagestats.Fresh - time.Second)
		w.want(w.await(""), "")
		check.Equal(t, w.calls(), calls, "calls within a minute")
		time.Sleep(time.Hour)
		check.Equal(t, w.calls(), calls, "calls in an hour without a caller")
	})
}

func TestResultsAreKeptForAMinute(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 100)
		first := w.await("")
		check.Equal(t, first.AsOf, time.Now().UTC().Truncate(time.Millisecond), "as of")
		w.count("blog/", 200)
		time.Sleep(pagestats.Fresh - time.Millisecond)
		if again := check.Value(w.ask(""))(t); again.Visits != first.Visits || !again.AsOf.Equal(first.AsOf) {
			t.Errorf("within a minute: %d visits as of %v", again.Visits, again.AsOf)
		}
		time.Sleep(time.Millisecond)
		w.want(check.Value(w.ask(""))(t), "") // the scan was quick, so that the caller has waited for this one
	})
}

// A long scan: the first callers get an error, later ones its result, and then that of the
// scan before while the next one runs, unless that is long ago.
func TestALongScanGoesOnWithoutItsCaller(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 2000)
		w.takes = 50 * time.Millisecond // about 11 calls of each node, every second
		began := time.Now()
		_, err := w.ask("blog/")
		check.Is(t, err, counting.ErrScanning, "the first caller")
		check.Equal(t, time.Since(began), pagestats.Wait, "it waits")
		time.Sleep(15 * time.Second)
		calls := w.calls()
		first := check.Value(w.ask("blog/"))(t)
		w.want(first, "blog/")
		check.Equal(t, first.AsOf, began.UTC().Truncate(time.Millisecond), "as of the beginning")
		check.Equal(t, w.calls(), calls, "calls after the scan")

		w.count("blog/", 10)
		time.Sleep(2 * pagestats.Fresh)
		began = time.Now()
		if old := check.Value(w.ask("blog/"))(t); old.Visits != first.Visits || time.Since(began) > 0 {
			t.Errorf("%d visits after %v, want those of before", old.Visits, time.Since(began))
		}
		time.Sleep(20 * time.Second)
		w.want(check.Value(w.ask("blog/"))(t), "blog/")

		time.Sleep(time.Hour)
		_, err = w.ask("blog/")
		check.Is(t, err, counting.ErrScanning, "a caller after an hour")
		time.Sleep(20 * time.Second)
		w.want(check.Value(w.ask("blog/"))(t), "blog/")
	})
}

func TestACallerThatLeavesIsNotWaitedFor(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.takes = 500 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := w.stats.Stats(ctx, netip.Prefix{}, counting.PageQuery{})
		check.Is(t, err, counting.ErrScanning, "a caller that leaves")
	})
}

func TestAPageThatCameTwiceCountsOnce(t *testing.T) {
	scenario(t, func(_ *testing.T, w *world) {
		w.count("blog/", 500)
		var last []counting.Visit
		w.alter = func(pages []counting.Visit) []counting.Visit { // as HSCAN may do, also from call to call
			w.mu.Lock()
			defer w.mu.Unlock()
			var twice []counting.Visit
			if len(pages) > 0 && len(last) > 0 && last[len(last)-1].Arc == pages[0].Arc {
				twice = append(twice, last[len(last)-1])
			}
			last = pages
			for _, p := range pages {
				twice = append(twice, p, p)
			}
			return twice
		}
		w.want(w.await(""), "")
	})
}

func TestACorruptPageHidesTheNumbersThatItIsIn(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 100)
		w.count("shop/", 100)
		w.alter = func(pages []counting.Visit) []counting.Visit {
			for i := range pages {
				if pages[i].Page == "blog/7" {
					pages[i].Count = -1
				}
			}
			return pages
		}
		w.want(w.await("shop/"), "shop/")
		for _, prefix := range []string{"", "blog/", "blog/7"} {
			_, err := w.ask(prefix)
			check.Is(t, err, counting.Corrupt, "prefix %q", prefix)
		}
		check.Says(t, errors.New(w.log.String()), "first=blog/7", "pages=1")
		calls := w.calls()
		time.Sleep(30 * time.Second)
		_, err := w.ask("")
		check.Is(t, err, counting.Corrupt, "within a minute")
		check.Equal(t, w.calls(), calls, "calls within a minute")
		w.set(func() { w.alter = nil })
		time.Sleep(pagestats.Fresh)
		w.want(w.await(""), "")
	})
}

func TestPrefixesAreBounded(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("p", 100)
		client := func(n int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", n)) }
		ask := func(n int, prefix string) error {
			_, err := w.stats.Stats(t.Context(), client(n), counting.PageQuery{Prefix: prefix})
			return err
		}
		for n := range 4 {
			for i := range 8 {
				check.Must(t, ask(n, fmt.Sprintf("p%d%d", n, i)))
			}
			check.Is(t, ask(n, fmt.Sprintf("p%d%d", n, 8)), counting.ErrPrefixShare, "the ninth prefix of a client")
		}
		check.Is(t, ask(4, "p"), counting.ErrPrefixes, "one more prefix than may be")
		check.OK(t, ask(4, ""), "all pages")
		check.OK(t, ask(4, "p00"), "a prefix that is followed")
		check.Equal(t, fmt.Sprint(w.refused), "[true true true true false]", "what was refused")
		time.Sleep(pagestats.Fresh)
		check.OK(t, ask(0, "p07"), "a prefix that is asked for")
		check.OK(t, ask(4, "p"), "a prefix in the place of another one")
		calls := w.calls()
		check.OK(t, ask(0, "p07"), "the prefix that is asked for")
		check.Equal(t, w.calls(), calls, "calls for it")
		check.OK(t, ask(0, "p08"), "the ninth prefix in the place of an own one")
	})
}

func TestStopEndsAScan(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 500)
		w.takes = 100 * time.Millisecond
		answered := make(chan error)
		go func() { answered <- check.Err(w.ask("")) }()
		time.Sleep(time.Second)
		began := time.Now()
		for range 2 {
			check.OK(t, w.stats.Stop(t.Context()))
		}
		check.Equal(t, time.Since(began), 0, "the time to stop")
		check.Is(t, check.Err(w.ask("")), counting.ErrUnavailable, "a caller after the stop")
		check.Is(t, <-answered, counting.ErrUnavailable, "a caller that waits")
		check.Equal(t, time.Since(began), 0, "the time until it has its answer")
	})
}
