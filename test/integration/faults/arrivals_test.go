package faults_test

import (
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// inDoubtFor is how long after its end a request without an answer may still
// be applied: a batch in doubt is repeated until its node is back, and a
// process that is stopped goes on with what it had read.
const inDoubtFor = 30 * time.Second

// arrivals are what callers know of the ids that they sent. The clock of the
// callers is that of the nodes.
type arrivals struct {
	length counting.WindowLength

	mu     sync.Mutex
	next   counting.ID
	sent   map[counting.ID][]sending
	denied int
}

// sending is one request for one id that was not refused.
type sending struct {
	first, last counting.Window // windows in which it may have been applied
	acked       bool
}

func newArrivals(length counting.WindowLength) *arrivals {
	return &arrivals{length: length, sent: make(map[counting.ID][]sending)}
}

// take is an id that no request had.
func (a *arrivals) take() counting.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	return a.next
}

func (a *arrivals) window(t time.Time) counting.Window { return a.length.At(t) }

func (a *arrivals) name(w counting.Window) string { return a.length.Name(w) }

// add notes what came of a request that was begun at a time and has ended now.
func (a *arrivals) add(id counting.ID, begun time.Time, o chaos.Outcome) {
	const blur = 5 * time.Millisecond // a node reads its clock once for several commands
	s := sending{first: a.window(begun.Add(-blur)), last: a.window(time.Now().Add(blur)), acked: o == chaos.Acknowledged}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch o {
	case chaos.Refused:
		a.denied++
		return
	case chaos.Unknown:
		s.last += counting.Window(inDoubtFor / time.Duration(a.length))
	}
	a.sent[id] = append(a.sent[id], s)
}

// taken are the ids that the servers took, by window: their files say so, not
// the service.
type taken map[counting.Window]map[counting.ID]bool

func readTaken(t testing.TB, all []*servers.Redis) taken {
	t.Helper()
	ids, err := servers.Arrived(all...)
	check.OK(t, err)
	return ids
}

// check compares the reports with the ids that the servers took, and these
// with the answers that the callers received: each window has one number, that of its
// ids (P5), and an id that was acknowledged is in a window in which it was
// under way (P6). None is there that was refused, or that no caller sent (P2).
func (a *arrivals) check(t testing.TB, ids taken, reports map[string]service.Line) {
	t.Helper()
	for w, all := range ids {
		if l, ok := reports[a.name(w)]; !ok || l.Count != int64(len(all)) {
			t.Errorf("%s has %d ids, and its report is %+v", a.name(w), len(all), l)
		}
	}
	sum := ids.total()
	check.Equal(t, service.Total(reports), int64(sum), "the counts of all reports, of which the sum is the number of ids")
	a.mu.Lock()
	defer a.mu.Unlock()
	acked, unknown := 0, 0
	for id, sendings := range a.sent {
		known := false
		for _, s := range sendings {
			known = known || s.acked
			if s.acked && !ids.has(id, s) {
				t.Errorf("id %d was acknowledged in window %d to %d, and is in neither", id, s.first, s.last)
			}
		}
		if known {
			acked++
		} else {
			unknown++
		}
	}
	for w, all := range ids {
		for id := range all {
			if !a.explains(id, w) {
				t.Errorf("id %d is in window %d; it was sent as %+v", id, w, a.sent[id])
			}
		}
	}
	if acked == 0 {
		t.Error("no id was acknowledged")
	}
	t.Logf("%d windows with a report, %d of them with ids: %d; callers know of %d acknowledged and %d in doubt; %d requests were refused",
		len(reports), len(ids), sum, acked, unknown, a.denied)
}

func (ids taken) total() (n int) {
	for _, all := range ids {
		n += len(all)
	}
	return n
}

func (ids taken) has(id counting.ID, s sending) bool {
	for w := s.first; w <= s.last; w++ {
		if ids[w][id] {
			return true
		}
	}
	return false
}

func (a *arrivals) explains(id counting.ID, w counting.Window) bool {
	for _, s := range a.sent[id] {
		if s.first <= w && w <= s.last {
			return true
		}
	}
	return false
}
