package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/servers"
)

const (
	worldPartitions = 16
	worldPages      = 80
	worldCallers    = 16
	worldWindow     = 4 * time.Second // longer than a failover, so that ids of the current window are left behind
	worldGrace      = 300 * time.Millisecond
	// worldPatience bounds each wait for the good end of a fault.
	worldPatience = time.Minute
)

// What happens in a world, besides what all models have.
const (
	masterKilled   chaos.Fault = "master_killed"
	tailLost       chaos.Fault = "tail_lost"
	masterSwitched chaos.Fault = "master_switched"
	slotMoved      chaos.Fault = "slot_moved"
	movedAfterLag  chaos.Fault = "slot_moved_after_a_lag"
	slotRefused    chaos.Fault = "tryagain"
	keysLeft       chaos.Fault = "keys_left_behind"
	stateLeft      chaos.Fault = "state_left_behind"
	idsLeft        chaos.Fault = "ids_left_behind"
	pageMissing    chaos.Fault = "page_missing"
	keysBack       chaos.Fault = "keys_back"
	replyLost      chaos.Fault = "reply_lost_then_refused"
	batchRepeated  chaos.Fault = "batch_duplicate"
)

// clusterWorld is one run: a Redis Cluster, instances of the engine over its partitions,
// their callers, and the books.
type clusterWorld struct {
	*chaos.Run[*clusterInstance]
	t       *testing.T
	cluster *servers.Cluster
	proxies map[string]*servers.Proxy // by the address of the server behind
	mutant  clusterMutant
	ring    *sharding.Ring
	// requests is held by callers, each for its own, and alone while none may be under way.
	requests sync.RWMutex

	// leap is by how much the servers' clocks are ahead.
	leap atomic.Int64

	// onlyReads: callers read and count nothing.
	onlyReads atomic.Bool

	// phase is odd from the kill of a master until all that it had acknowledged is
	// repeated: a page may read low. left is another one for each set of pages that are
	// left behind.
	phase atomic.Int64

	mu             sync.Mutex
	left           map[counting.Page]bool // no number may be read
	leftHistory    map[counting.Page]bool // and no history
	leftPhase      int
	known          []keyedRequest
	reports        map[string]int64
	ids, doubtful  int64
	partitionPages map[int][]counting.Page
}

func newClusterWorld(t *testing.T, seed uint64, m clusterMutant) *clusterWorld {
	t.Helper()
	w := &clusterWorld{
		Run: chaos.NewRun[*clusterInstance](seed, 2), t: t, mutant: m, proxies: make(map[string]*servers.Proxy),
		left: make(map[counting.Page]bool), leftHistory: make(map[counting.Page]bool), reports: make(map[string]int64),
		partitionPages: make(map[int][]counting.Page),
		cluster:        servers.StartClusterWithClock(t, 3, 1, "--repl-ping-replica-period", "1", "--appendfsync", "everysec"),
	}
	for _, s := range w.cluster.Servers {
		if m.text != "" {
			w.proxies[s.Addr] = servers.StartRewriter(t, s.Addr, m.text, m.other)
		} else {
			w.proxies[s.Addr] = servers.StartProxy(t, s.Addr)
		}
	}
	w.Start = w.start
	w.Diary = &chaos.Diary{Now: w.now, Skew: time.Second, Patience: worldSkew}
	return w
}

// partitions are those of a client of its own.
func (w *clusterWorld) partitions() *redisnode.Cluster {
	o, err := redisnode.ParseClusterURL(w.cluster.URL(fmt.Sprintf("?partitions=%d", worldPartitions)))
	if err != nil {
		panic(err)
	}
	o.Log = slog.New(slog.DiscardHandler)
	return redisnode.NewCluster(o)
}

// run lets a schedule of faults happen under load, and checks what is there in the end.
func (w *clusterWorld) run(schedule []clusterFault) {
	var starting sync.WaitGroup
	for slot := range 2 {
		starting.Go(func() { w.Revive(slot) })
	}
	starting.Wait()
	w.ring = w.Instances()[0].cluster.View().Ring
	for n := range worldPages {
		page := page(n)
		p := w.ring.Owner(w.ring.Arc(page))
		w.partitionPages[p] = append(w.partitionPages[p], page)
	}
	w.keepHistory()
	w.Load.Go(func() { w.compact(chaos.NewDice(w.Seed, "compact")) })
	for n := range worldCallers {
		w.Load.Go(func() { w.send(chaos.NewDice(w.Seed, fmt.Sprint("caller", n))) })
	}
	d := chaos.NewDice(w.Seed, "faults")
	w.goesOn(200)
	for _, fault := range schedule {
		fault(w, d)
		w.goesOn(100)
		if len(w.Violations()) > 0 {
			break
		}
	}
	w.Calm()
	w.Load.Wait()
	w.awaitWindows()
	w.stop()
	w.checkPages()
	w.checkIDs()
}

// goesOn returns when as many more visits are acknowledged.
func (w *clusterWorld) goesOn(n int64) {
	want := w.acknowledged() + n
	w.until(fmt.Sprintf("%d more visits are acknowledged", n), func() bool { return w.acknowledged() >= want })
}

func (w *clusterWorld) acknowledged() (n int64) {
	for _, a := range w.Accounts() {
		acked, _, _ := a.Totals()
		n += acked
	}
	return n
}

// until waits for what has to come.
func (w *clusterWorld) until(what string, is func() bool) bool {
	for end := time.Now().Add(worldPatience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.Violate("P3: not within %v: %s", worldPatience, what)
			return false
		}
	}
	return true
}

// observe looks at every call that counts.
func (w *clusterWorld) observe(f groupcommit.Flush) {
	var gap *counting.GapError
	if errors.As(f.Err, &gap) {
		w.Counted.Add(chaos.BatchGap)
	}
	if f.Err == nil && f.Receipt.Duplicate {
		w.Counted.Add(batchRepeated)
	}
	says := f.Receipt.Says
	if f.Err != nil {
		says = f.Err.Error()
	}
	if strings.Contains(says, "non local key") {
		w.Violate("X10: a script ran beside a part of its keys: %s", says)
	}
}

// report takes a published number.
func (w *clusterWorld) report(r publishing.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, again := w.reports[r.ID]; again && before != r.Count {
		w.Violate("P5: window %s was published with %d and with %d", r.ID, before, r.Count)
	}
	w.reports[r.ID] = r.Count
}

// awaitWindows returns when no window waits that began before.
func (w *clusterWorld) awaitWindows() {
	last := counting.WindowLength(worldWindow).At(w.now())
	client := w.partitions()
	defer func() { _ = client.Close() }()
	w.until("all windows are published", func() bool {
		for _, p := range client.Partitions() {
			a, err := p.Heartbeat(context.Background(), counting.Clock{Now: w.now(), MaxSkew: time.Minute})
			if err != nil || a.Current <= last || slices.ContainsFunc(a.Waiting, func(w counting.Window) bool { return w <= last }) {
				return false
			}
		}
		return true
	})
}

// stop ends all instances cleanly.
func (w *clusterWorld) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, i := range w.Instances() {
		if err := i.stop(ctx); err != nil {
			w.Violate("P10: %s did not stop: %v", i.Name, err)
		}
	}
}

// checkPages: acknowledged <= stored <= acknowledged + unknown, and likewise in each bucket.
func (w *clusterWorld) checkPages() {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	for page, a := range maps.All(w.Accounts()) {
		arc := w.ring.Arc(page)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		h, err := client.Partitions()[w.ring.Owner(arc)].ReadHistory(ctx, counting.Expected{Epoch: w.ring.Epoch()}, counting.Located{Arc: arc, Page: page})
		cancel()
		if err == nil {
			err = h.Err
		}
		least, most := a.Bounds()
		switch {
		case err != nil:
			w.Violate("P1: page %s can't be read: %v", page, err)
			continue
		case h.Visits < least:
			w.Violate("P1: page %s has %d visits, %d were acknowledged", page, h.Visits, least)
		case h.Visits > most:
			w.Violate("P2: page %s has %d visits, want %d to %d", page, h.Visits, least, most)
		}
		w.checkHistory(page, h)
	}
}

// checkIDs: each id was sent once, so the numbers of all windows add up to the ids.
func (w *clusterWorld) checkIDs() {
	var sum int64
	for _, n := range w.reports {
		sum += n
	}
	if sum < w.ids || sum > w.ids+w.doubtful {
		w.Violate("P6: the numbers of all windows add up to %d, want %d to %d", sum, w.ids, w.ids+w.doubtful)
	}
}

func (w *clusterWorld) result() chaos.Result {
	return chaos.Result{
		Seed: w.Seed, Books: &w.Books, Counted: w.Counted,
		Summary: fmt.Sprintf("%s; windows %d, %d ids in them; %.0f s", w.Totals(), len(w.reports), w.ids, time.Since(w.Begun).Seconds()),
	}
}
