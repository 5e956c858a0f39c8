package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/conformance"
)

// What happens to histories.
const (
	clocksLeapt    chaos.Fault = "clocks_leapt"
	leaptAfterLag  chaos.Fault = "clocks_leapt_after_a_lag"
	historyLeft    chaos.Fault = "history_left_behind"
	historyMissing chaos.Fault = "history_missing"
	daySummed      chaos.Fault = "buckets_added_up_to_a_day"
	compactRetried chaos.Fault = "compaction_repeated"
)

// worldSkew is far more than all leaps together: every visit is placed.
const worldSkew = 365 * 24 * time.Hour

// now is the time by the clocks of the servers.
func (w *clusterWorld) now() time.Time { return time.Now().Add(time.Duration(w.leap.Load())) }

// keepHistory begins the history of all partitions, an hour ago, before any visit.
func (w *clusterWorld) keepHistory() {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	setting := counting.HistorySetting{Unit: 15 * time.Minute, SmallDays: 2, Days: 30}
	for _, p := range client.Partitions() {
		w.until("the history of "+string(p.ID())+" begins", func() bool {
			s, err := p.KeepHistory(context.Background(), setting, w.now().Add(-time.Hour), false, conformance.AnyTime())
			return err == nil && s.Setting == setting
		})
	}
}

// leapAhead lets hours pass in no time. No request may be under way. Keys of requests are kept for a day.
func (w *clusterWorld) leapAhead(d *chaos.Dice) {
	by := d.Between(2*time.Hour, 18*time.Hour)
	w.leap.Add(int64(by))
	for _, s := range w.cluster.Servers {
		s.Clock.Shift(w.t, time.Duration(w.leap.Load()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = nil
	w.Counted.Add(clocksLeapt)
}

// leapClocks is leapAhead. A cluster may take some masters for dead then.
func leapClocks(w *clusterWorld, d *chaos.Dice) {
	w.phase.Add(1)
	w.requests.Lock()
	w.leapAhead(d)
	w.requests.Unlock()
	w.cluster.AwaitHealthy()
	w.repair()
	w.phase.Add(1)
}

// leapAfterALag kills a master whose replica was cut off, and lets hours pass before any instance
// notices what is missing. It is repeated into the buckets in which it was.
func leapAfterALag(w *clusterWorld, d *chaos.Dice) {
	_, slot, old, _ := w.pick(d)
	replica := w.cutOff(old, d)
	w.requests.Lock()
	w.killOnly(old, replica)
	w.until("all know of it", func() bool { return w.cluster.Master(slot) == replica })
	w.leapAhead(d)
	w.requests.Unlock()
	w.Counted.Add(leaptAfterLag)
	w.repair()
	w.revive(old)
}

// leaveHistory leaves half of the keys of a partition's histories behind.
func leaveHistory(w *clusterWorld, d *chaos.Dice) {
	p, slot, from, to := w.pick(d)
	w.leaveBehind(p, slot, from, to, func(kind string, _ []string) bool {
		return (strings.HasPrefix(kind, "h:") || strings.HasPrefix(kind, "hp:")) && d.Chance(0.5)
	})
}

// compact compacts partitions until the world is calm. It repeats calls, and leaves passes in the middle.
func (w *clusterWorld) compact(d *chaos.Dice) {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	for w.Rest(50 * time.Millisecond) {
		p := client.Partitions()[d.UpTo(worldPartitions)]
		for cursor, more := "", true; more && !w.IsCalm(); {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			next, err := p.Compact(ctx, conformance.AnyTime(), cursor)
			cancel()
			switch {
			case err != nil || d.Chance(0.01):
				more = false
			case d.Chance(0.1):
				w.Counted.Add(compactRetried)
			default:
				cursor, more = next, next != ""
			}
		}
	}
}

// lacksHistory tells whether a part of the history of an arc is among keys that are gone.
func lacksHistory(arc counting.Arc, gone map[string]bool) bool {
	for kind := range gone {
		if kind == fmt.Sprint("hp:", arc) || strings.HasPrefix(kind, "h:") && strings.HasSuffix(kind, fmt.Sprint(":", arc)) {
			return true
		}
	}
	return false
}

// readHistory checks that no bucket has more than was sent, and that a history of which a part was left
// behind is not read at all. It may lack what is to be repeated.
func (w *clusterWorld) readHistory(ctx context.Context, i *clusterInstance, page counting.Page) {
	leftPhase, left := w.historyPhase(page)
	v := i.cluster.View()
	at := counting.Located{Arc: v.Arc(page), Page: page}
	h, err := v.Nodes[v.Owner(at.Arc)].Node.(counting.Histories).ReadHistory(ctx, counting.Expected{Epoch: v.Epoch()}, at)
	after, _ := w.historyPhase(page)
	switch {
	case err == nil && errors.Is(h.Err, counting.Missing):
		w.Counted.Add(historyMissing)
	case err != nil || h.Err != nil:
		w.Counted.Add(chaos.ReadFailed)
	case left && leftPhase == after:
		w.Violate("P11: the history of page %s is read, but a part of it is at another server", page)
	default:
		if wrong := chaos.Compare(h, nil, w.Diary.Of(page), w.now().Add(time.Second)); wrong != "" {
			w.Violate("P11: the history of page %s, read by %s: %s", page, i.Name, wrong)
		}
	}
}

func (w *clusterWorld) historyPhase(page counting.Page) (leftPhase int, left bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leftPhase, w.leftHistory[page]
}

// checkHistory compares the buckets of a page with what its callers know, and with its count.
func (w *clusterWorld) checkHistory(page counting.Page, h counting.PageHistory) {
	known := w.Diary.Of(page)
	if wrong := chaos.Compare(h, known, known, w.now().Add(time.Second)); wrong != "" {
		w.Violate("P11: the history of page %s: %s", page, wrong)
	}
	buckets, _ := h.Buckets()
	sum := int64(0)
	for _, b := range buckets {
		sum += b.Visits
		if b.Unit.Length() == 24*time.Hour {
			w.Counted.Add(daySummed)
		}
	}
	if sum != h.Visits {
		w.Violate("P11: %d visits of page %s are in its buckets, of %d", sum, page, h.Visits)
	}
}
