package pagestats_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/pagestats"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// P3: a node that is away makes the numbers unknown, not smaller.
func TestANodeThatIsAwayGivesNoSmallerNumber(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 300)
		for name, fault := range map[string]error{
			"away": fmt.Errorf("%w: connection refused", counting.ErrNotApplied), "missing": counting.Missing,
			"moving": counting.Moving, "corrupt": counting.Corrupt,
		} {
			w.set(func() {
				w.fault = func(id counting.NodeID) error {
					if id == "n2" {
						return fault
					}
					return nil
				}
			})
			began := time.Now()
			for range 10 {
				stats, err := w.ask("blog/")
				want := map[string]error{"away": counting.ErrUnavailable, "missing": counting.Missing, "moving": sharding.ErrBusy, "corrupt": counting.Corrupt}[name]
				check.Is(t, err, want, "n2 is %s", name)
				check.Equal(t, stats.Pages, 0, "pages")
				time.Sleep(time.Second)
			}
			if n := len(w.called()["n2"]); n > 15 {
				t.Errorf("n2 was called %d times in 10 s", n)
			}
			if took := time.Since(began); took > 11*time.Second {
				t.Errorf("10 callers waited for %v", took-10*time.Second)
			}
			w.set(func() { w.fault, w.lists = nil, nil })
			w.want(w.await("blog/"), "blog/")
			time.Sleep(pagestats.Fresh)
		}
	})
}

// Numbers that are known for less than a minute are answered also when a node has died.
func TestKnownNumbersAreAnsweredForTheirMinute(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 300)
		w.want(w.await(""), "")
		w.set(func() { w.fault = func(counting.NodeID) error { return counting.ErrNotApplied } })
		_, err := w.ask("blog/") // it needs a scan
		check.Is(t, err, counting.ErrUnavailable, "another prefix")
		w.want(check.Value(w.ask(""))(t), "")
		time.Sleep(pagestats.Fresh)
		_, err = w.ask("")
		check.Is(t, err, counting.ErrUnavailable, "after the minute")
	})
}

// V30: the ring changes at several moments of a scan, also more than once.
func TestAChangeOfTheRingNeitherDoublesNorMissesPages(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 4 * time.Second, 8 * time.Second} {
		scenario(t, func(t *testing.T, w *world) {
			w.count("blog/", 2000)
			w.takes = 50 * time.Millisecond // about 11 calls of each node, every second
			_ = check.Err(w.ask(""))        // it begins the scan
			time.Sleep(after)
			changed := make(chan struct{})
			go func() {
				defer close(changed)
				check.Value(w.ring.Add(t.Context(), "n4:1", 1, false))(t)
				time.Sleep(3 * time.Second)
				for w.ring.Status(t.Context()).Moves.Left > 0 {
					time.Sleep(10 * time.Millisecond)
				}
				check.Value(w.ring.Remove(t.Context(), "n1", false))(t)
			}()
			w.want(w.await(""), "")
			<-changed
			time.Sleep(pagestats.Fresh)
			w.want(w.await("blog/"), "blog/")
			if len(w.called()["n4"]) == 0 {
				t.Error("n4 has no part in it")
			}
		})
	}
}

// A page is listed by the node that it leaves, and then, in the same scan, by the node where
// it has arrived.
func TestAPageThatMovesDuringAScanCountsOnce(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.count("blog/", 500)
		w.hold = make(chan struct{})
		check.Value(w.ring.Add(t.Context(), "n4:1", 1, false))(t)
		w.set(func() {
			w.fault = func(id counting.NodeID) error {
				if id != "n4" {
					return nil
				}
				time.Sleep(100 * time.Millisecond) // the others have been listed
				w.set(func() { w.fault = nil })
				close(w.hold)
				for w.ring.Status(t.Context()).Moves.Left > 0 {
					time.Sleep(10 * time.Millisecond)
				}
				return nil
			}
		})
		w.want(check.Value(w.ask(""))(t), "")
		check.Equal(t, w.failed, 0, "scans that failed")
	})
}

// The cursor of one server is of no use to another: a scan starts over after a failover.
// Partitions of one server share its time.
func TestAScanOfPartitionsStartsOverAfterAFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, account: make(map[string]int64), takes: 20 * time.Millisecond}
		var nodes []cluster.Node
		var partitions []*chaos.Partition
		for i := range 4 {
			id := counting.NodeID(fmt.Sprintf("p%02d", i))
			n := &node{localnode.New(localnode.Options{ID: id, Addr: string(id)}), w}
			partitions = append(partitions, chaos.NewPartition(n, "redis_a"))
			nodes = append(nodes, partitions[i])
		}
		c := cluster.New(cluster.Options{Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: slog.New(slog.DiscardHandler)})
		check.Must(t, c.Start(t.Context()))
		w.use(c)
		w.count("blog/", 1500)
		_ = check.Err(w.ask(""))
		partitions[3].MoveTo("redis_b")
		w.want(w.await(""), "")
		check.Equal(t, w.failed, 1, "scans that started over")
		w.set(func() {
			for i := range w.lists { // three of them are on one server
				if w.lists[i].node != "p03" {
					w.lists[i].node = "redis_a"
				}
			}
		})
		w.wantGentle()
		check.OK(t, w.stats.Stop(t.Context()))
		check.OK(t, c.Stop(t.Context()))
	})
}
