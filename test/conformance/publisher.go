package conformance

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"footfall/domain/publishing"
)

// PublisherHarness is one started publisher on a sink of its own, with what
// its test can do to the sink.
type PublisherHarness struct {
	Publisher publishing.Publisher
	// Read lists what a reader of the sink finds since the start, in order,
	// with repetitions; torn or foreign entries are left out.
	Read func(t *testing.T) []publishing.Report
	// Stop stops the publisher. Read still works.
	Stop func(t *testing.T)
	// Refuse makes the sink refuse all reports until heal is called. Where it is
	// nil, the case is skipped.
	Refuse func(t *testing.T) (heal func())
	// Doubt makes the outcome of the next report unknown. It ends by itself or by
	// heal. It may be nil, as Refuse.
	Doubt func(t *testing.T) (heal func())
	// Hang keeps the sink from answering until heal is called. It may be nil, as
	// Refuse.
	Hang func(t *testing.T) (heal func())
}

// TestPublisher checks publishing.Publisher's contract, each case on a
// publisher that open starts, and that ends with the test.
func TestPublisher(t *testing.T, open func(t *testing.T) PublisherHarness) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, h PublisherHarness)
	}{
		{"its name is one lower-case word and never changes", publisherName},
		{"a report arrives unchanged", publisherDelivers},
		{"a repetition carries the same id and number", publisherRepeats},
		{"concurrent reports all arrive, whole", publisherConcurrent},
		{"the answer to an ended ctx is true", publisherEndedContext},
		{"no reader finds a refused report", publisherRefuses},
		{"a report in doubt is neither published nor refused", publisherDoubts},
		{"a publish to a sink that hangs ends with its ctx", publisherHangs},
		{"a stopped publisher refuses all reports", publisherStopped},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func publisherName(t *testing.T, h PublisherHarness) {
	name := h.Publisher.Name()
	if name == "" || slices.ContainsFunc([]byte(name), func(c byte) bool { return c < 'a' || c > 'z' }) {
		t.Errorf("name %q, want one word of lower-case letters", name)
	}
	h.publish(t, minuteReport(0, 1))
	h.Stop(t)
	if after := h.Publisher.Name(); after != name {
		t.Errorf("the name was %q and is %q", name, after)
	}
}

func publisherDelivers(t *testing.T, h PublisherHarness) {
	want := []publishing.Report{minuteReport(0, 0), minuteReport(1, 1), minuteReport(2, math.MaxInt64)}
	for _, r := range want {
		h.publish(t, r)
	}
	if got := h.Read(t); !slices.EqualFunc(got, want, sameReport) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func publisherRepeats(t *testing.T, h PublisherHarness) {
	r := minuteReport(0, 7)
	h.publish(t, r)
	h.publish(t, r)
	got := h.Read(t)
	if len(got) == 0 || len(got) > 2 {
		t.Errorf("read %d reports, want 1 or 2", len(got))
	}
	for _, g := range got {
		if !sameReport(g, r) {
			t.Errorf("read %v, want %v", g, r)
		}
	}
}

func publisherConcurrent(t *testing.T, h PublisherHarness) {
	const n = 64
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := h.Publisher.Publish(t.Context(), minuteReport(i, int64(i))); err != nil {
				t.Errorf("publish %d: %v", i, err)
			}
		})
	}
	all.Wait()
	times := map[string]int{}
	for _, g := range h.Read(t) {
		times[g.ID]++
		if !sameReport(g, minuteReport(int(g.Count), g.Count)) {
			t.Errorf("read %v, which was not sent", g)
		}
	}
	for i := range n {
		if id := minuteReport(i, 0).ID; times[id] != 1 {
			t.Errorf("%s arrived %d times, want once", id, times[id])
		}
	}
}

func publisherEndedContext(t *testing.T, h PublisherHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := minuteReport(0, 5)
	err := h.Publisher.Publish(ctx, r)
	found := h.holds(t, r)
	if err == nil && !found {
		t.Error("got no error, and no reader finds the report")
	}
	if errors.Is(err, publishing.ErrRefused) && found {
		t.Errorf("got the error %v, and a reader finds the report", err)
	}
}

func publisherRefuses(t *testing.T, h PublisherHarness) {
	if h.Refuse == nil {
		t.Skip("this harness can't make its sink refuse")
	}
	h.publish(t, minuteReport(0, 1))
	heal := h.Refuse(t)
	err := h.Publisher.Publish(t.Context(), minuteReport(1, 2))
	heal()
	if !errors.Is(err, publishing.ErrRefused) {
		t.Errorf("error %v, want one that wraps ErrRefused", err)
	}
	if h.holds(t, minuteReport(1, 2)) {
		t.Error("a reader finds the refused report")
	}
	h.recovers(t, minuteReport(2, 3))
}

// recoveryTime is how long a publisher may take to find that its sink works
// again: the 15 s of the port, and more for a busy machine.
const recoveryTime = time.Minute

// recovers publishes a report to a sink that works again.
func (h PublisherHarness) recovers(t *testing.T, r publishing.Report) {
	t.Helper()
	begun := time.Now()
	late := begun.Add(recoveryTime)
	err := h.Publisher.Publish(t.Context(), r)
	for ; err != nil && time.Now().Before(late); err = h.Publisher.Publish(t.Context(), r) {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("publish after the sink was healed: %v", err)
	}
	t.Logf("published %v after the sink was healed", time.Since(begun).Round(time.Millisecond))
	if !h.holds(t, r) {
		t.Error("no reader finds what was published after the sink was healed")
	}
}

func publisherDoubts(t *testing.T, h PublisherHarness) {
	if h.Doubt == nil {
		t.Skip("this harness can't make an outcome unknown")
	}
	h.publish(t, minuteReport(0, 1))
	heal := h.Doubt(t)
	err := h.Publisher.Publish(t.Context(), minuteReport(1, 2))
	heal()
	if err == nil || errors.Is(err, publishing.ErrRefused) {
		t.Errorf("error %v, want one that doesn't wrap ErrRefused", err)
	}
	h.recovers(t, minuteReport(1, 2))
	if !h.holds(t, minuteReport(0, 1)) {
		t.Errorf("read %v, want what was published before the doubt as well", h.Read(t))
	}
}

func publisherHangs(t *testing.T, h PublisherHarness) {
	if h.Hang == nil {
		t.Skip("this harness can't make its sink hang")
	}
	h.publish(t, minuteReport(0, 1))
	heal := h.Hang(t)
	refused := make(map[int]bool)
	for i := 1; i <= 3; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		ended := make(chan error, 1)
		go func() { ended <- h.Publisher.Publish(ctx, minuteReport(i, 1)) }()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("got no error from a sink that does not answer")
			}
			refused[i] = errors.Is(err, publishing.ErrRefused)
		case <-time.After(15 * time.Second):
			t.Fatal("still running, long after its ctx has ended")
		}
		cancel()
	}
	heal()
	h.recovers(t, minuteReport(4, 1))
	for i, r := range refused {
		if r && h.holds(t, minuteReport(i, 1)) {
			t.Errorf("report %d was refused, and a reader finds it", i)
		}
	}
}

func publisherStopped(t *testing.T, h PublisherHarness) {
	h.publish(t, minuteReport(0, 1))
	h.Stop(t)
	err := h.Publisher.Publish(t.Context(), minuteReport(1, 2))
	if !errors.Is(err, publishing.ErrRefused) {
		t.Errorf("error %v, want one that wraps ErrRefused", err)
	}
	if got := h.Read(t); len(got) != 1 || !sameReport(got[0], minuteReport(0, 1)) {
		t.Errorf("read %v, want what was published before the stop", got)
	}
}

func (h PublisherHarness) publish(t *testing.T, r publishing.Report) {
	t.Helper()
	if err := h.Publisher.Publish(t.Context(), r); err != nil {
		t.Fatalf("publish %s: %v", r.ID, err)
	}
}

func (h PublisherHarness) holds(t *testing.T, r publishing.Report) bool {
	t.Helper()
	return slices.ContainsFunc(h.Read(t), func(g publishing.Report) bool { return sameReport(g, r) })
}

// minuteReport is that of the minute i of a day; its id ends in i.
func minuteReport(i int, count int64) publishing.Report {
	start := time.Date(2026, 11, 22, 0, i, 0, 0, time.UTC)
	return publishing.Report{ID: "footfall_" + strconv.Itoa(i), Start: start, End: start.Add(time.Minute), Count: count}
}

func sameReport(a, b publishing.Report) bool {
	return a.ID == b.ID && a.Count == b.Count && a.Start.Equal(b.Start) && a.End.Equal(b.End)
}
