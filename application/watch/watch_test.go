package watch_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/application/watch"
	"footfall/domain/counting"
	"footfall/domain/watching"
	"footfall/test/check"
)

func TestWhatAllWatchIsReadTogetherAndOnlyWhileThereAreWatchers(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		after(time.Minute)
		if len(w.reads) > 0 || w.looks > 0 {
			t.Errorf("%d reads and %d looks without a watcher", len(w.reads), w.looks)
		}
		a, b := enter(s, "", 0, "home", "about"), enter(s, "", 0, "home", "news")
		after(10*time.Second + time.Millisecond)
		w.change(func() {
			if n := len(w.reads); n < 95 || n > 102 {
				t.Errorf("%d reads in 10 s", n)
			}
			for _, pages := range w.reads[1:] {
				if !slices.Equal(pages, []counting.Page{"about", "home", "news"}) {
					t.Errorf("read %v", pages)
				}
			}
			if w.looks < 9 || w.looks > 12 {
				t.Errorf("%d looks at windows in 10 s", w.looks)
			}
		})
		leave(t, b)
		after(time.Second)
		w.change(func() {
			if last := w.reads[len(w.reads)-1]; slices.Contains(last, "news") {
				t.Errorf("news has no watcher, and it is read: %v", last)
			}
		})
		leave(t, a)
		synctest.Wait()
		w.change(func() { w.reads, w.looks = nil, 0 })
		after(time.Minute)
		if len(w.reads) > 0 || w.looks > 0 {
			t.Errorf("%d reads and %d looks after all have left", len(w.reads), w.looks)
		}
	})
}

func TestAVisitIsShownWithTheNextReading(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		v, other := enter(s, "", 0, "home", "about"), enter(s, "", 0, "about")
		after(5*time.Second + time.Millisecond)
		visits, before := v.seen()
		if diff := cmp.Diff(map[counting.Page]int64{"home": 0, "about": 0}, visits); diff != "" {
			t.Error(diff)
		}
		_, otherBefore := other.seen()
		w.change(func() { w.counts["home"] = 3 })
		after(watch.PageInterval)
		visits, calls := v.seen()
		if visits["home"] != 3 || calls != before+1 {
			t.Errorf("%v after %d calls more", visits, calls-before)
		}
		if _, calls := other.seen(); calls != otherBefore {
			t.Errorf("one who does not watch the page was notified %d times", calls-otherBefore)
		}
		w.change(func() { w.errs["home"] = fmt.Errorf("read: %w", counting.ErrUnavailable) })
		after(watch.PageInterval)
		check.Is(t, v.errs["home"], counting.ErrUnavailable, "a page that can not be read")
		after(time.Second)
		if _, calls := v.seen(); calls != before+2 {
			t.Errorf("notified %d times of one error", calls-before-1)
		}
		leave(t, v, other)
	})
}

func TestWindowsAndNodesAreShownAsTheyChange(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		v := enter(s, "", 0)
		after(time.Millisecond)
		if diff := cmp.Diff(map[string]int64{"w1": 5, "w2": 7}, v.windows); diff != "" || len(v.nodes) != 2 {
			t.Errorf("%v %s", v.nodes, diff)
		}
		v.windows = map[string]int64{}
		w.change(func() {
			w.windows[0].Count = 8
			w.nodes[1].Answers = false
		})
		after(watch.BoardInterval + time.Millisecond)
		if diff := cmp.Diff(map[string]int64{"w2": 8}, v.windows); diff != "" || v.nodes[1].Answers {
			t.Errorf("%v %s", v.nodes, diff)
		}
		w.change(func() { w.windowsErr = counting.ErrUnavailable })
		after(watch.BoardInterval + time.Millisecond)
		check.Is(t, v.trouble, counting.ErrUnavailable, "windows that can not be read")
		v.windows = map[string]int64{}
		w.change(func() { w.windowsErr = nil })
		after(10 * watch.BoardInterval)
		if diff := cmp.Diff(map[string]int64{"w1": 5, "w2": 8}, v.windows); diff != "" || v.trouble != nil {
			t.Errorf("%v %s", v.trouble, diff)
		}
		leave(t, v)
	})
}

func TestASlowWatcherSeesTheNewestAndHoldsUpNoOther(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		slow, quick := enter(s, "", 10*time.Second, "home"), enter(s, "", 0, "home")
		for n := range int64(95) {
			after(watch.PageInterval)
			w.change(func() { w.counts["home"] = n + 1 })
		}
		after(2 * watch.PageInterval)
		if visits, calls := quick.seen(); visits["home"] != 95 || calls < 40 {
			t.Errorf("the quick one saw %v in %d calls", visits, calls)
		}
		if _, calls := slow.seen(); calls != 1 {
			t.Errorf("the slow one saw %d news at once", calls)
		}
		after(10 * time.Second)
		if visits, calls := slow.seen(); visits["home"] != 95 || calls != 2 {
			t.Errorf("the slow one saw %v in %d calls", visits, calls)
		}
		leave(t, slow, quick)
	})
}

func TestAWatcherThatComesBackSeesWhatItMissedAndNoMore(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		stays := enter(s, "", 0, "home", "about", "news")
		v := enter(s, "", 0, "home", "about", "news")
		after(time.Second)
		leave(t, v)
		w.change(func() { w.counts["about"] = 1 })
		after(time.Second)
		back := enter(s, v.id, 0, "home", "about", "news")
		after(time.Millisecond)
		if visits, _ := back.seen(); len(visits) != 1 || visits["about"] != 1 || len(back.windows) > 0 || back.nodes != nil {
			t.Errorf("came back with %s and saw %v, %v, %v", v.id, visits, back.windows, back.nodes)
		}
		for _, since := range []string{"", "x", "other-3", v.id + "000", v.id + "x", "-1"} {
			fresh := enter(s, since, 0, "home", "about", "news")
			after(time.Millisecond)
			if visits, _ := fresh.seen(); len(visits) != 3 || len(fresh.windows) != 2 || len(fresh.nodes) != 2 {
				t.Errorf("came with %q and saw %v, %v, %v", since, visits, fresh.windows, fresh.nodes)
			}
			leave(t, fresh)
		}
		leave(t, stays, back)
		// There was no watcher for a while, so nothing is known of the time between.
		w.change(func() { w.counts["home"] = 9 })
		again := enter(s, back.id, 0, "home", "about", "news")
		after(time.Second)
		if visits, _ := again.seen(); visits["home"] != 9 || len(visits) != 3 {
			t.Errorf("saw %v", visits)
		}
		leave(t, again)
	})
}

func TestSilenceIsBrokenByHeartbeats(t *testing.T) {
	scenario(t, func(t *testing.T, _ *world, s *watch.Service) {
		v := enter(s, "", 0, "home")
		after(2 * time.Second)
		_, before := v.seen()
		after(10 * watch.Heartbeat)
		if _, calls := v.seen(); calls != before+10 {
			t.Errorf("%d calls in 10 heartbeats of silence", calls-before)
		}
		leave(t, v)
	})
}

func TestManyWatchersAreNotifiedLessOften(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		var viewers []*viewer
		for range 16384 {
			viewers = append(viewers, enter(s, "", 0, "0-0"))
		}
		after(time.Second)
		synctest.Wait()
		w.change(func() { w.reads = nil })
		after(10 * time.Second)
		w.change(func() {
			if n := len(w.reads); n < 10 || n > 15 {
				t.Errorf("%d reads in 10 s", n)
			}
		})
		leave(t, viewers...)
	})
}

// S8: names without visits take turns. A page with visits is in every reading, and
// those without have theirs in the end.
func TestS8InventedNamesDelayNoPageWithVisits(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		w.change(func() { w.counts["home"] = 1 })
		viewers := []*viewer{enter(s, "", 0, "home")}
		after(time.Second)
		for i := range 40 {
			var pages []counting.Page
			for k := range 50 {
				pages = append(pages, counting.Page(fmt.Sprint("invented ", i, "-", k)))
			}
			viewers = append(viewers, enter(s, "", 0, pages...))
		}
		after(time.Second)
		w.change(func() { w.reads = nil })
		after(10*watch.PageInterval + time.Millisecond)
		w.change(func() {
			seen := map[counting.Page]int{}
			for _, pages := range w.reads {
				if len(pages) > watch.OtherPages+1 || !slices.Contains(pages, "home") {
					t.Errorf("one reading takes %d pages", len(pages))
				}
				for _, p := range pages {
					seen[p]++
				}
			}
			check.Equal(t, len(seen), 2001, "pages that were read")
			w.counts["invented 7-7"] = 1
		})
		after(11 * watch.PageInterval)
		if visits, _ := viewers[8].seen(); visits["invented 7-7"] != 1 {
			t.Error("the first visit of a page is not shown")
		}
		w.change(func() { w.reads = nil })
		after(watch.PageInterval)
		w.change(func() {
			if !slices.Contains(w.reads[0], "invented 7-7") {
				t.Error("a page that has visits is not in each reading")
			}
		})
		leave(t, viewers...)
	})
}

func TestStopEndsAllWatching(t *testing.T) {
	scenario(t, func(t *testing.T, w *world, s *watch.Service) {
		v := enter(s, "", 0, "home")
		after(time.Second)
		for range 2 {
			check.OK(t, s.Stop(t.Context()))
		}
		check.OK(t, <-v.done)
		check.Is(t, s.Watch(t.Context(), nil, "", nil), counting.ErrUnavailable, "watched after the stop")
		gone := errors.New("gone")
		s = w.service()
		check.Is(t, s.Watch(t.Context(), nil, "", func(watching.News) error { return gone }), gone, "one who is gone")
		check.Equal(t, watch.Watchers(s), 0, "watchers after it is gone")
		check.OK(t, s.Stop(t.Context()))
		check.OK(t, w.service().Stop(t.Context()), "the stop of one without watchers")
	})
}
