package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
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
	"footfall/test/check"
	"footfall/test/servers"
)

const (
	worldPartitions = 16
	worldPages      = 80
	worldCallers    = 16
	worldWindow     = 2 * time.Second
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
	slow    sync.RWMutex // held while callers have to stand still

	// phase is odd from the kill of a master until all that it had acknowledged is
	// repeated: a page may read low. left is another one for each set of pages that are
	// left behind.
	phase atomic.Int64

	mu             sync.Mutex
	left           map[counting.Page]bool // no number may be read
	leftPhase      int
	known          []keyedRequest
	reports        map[string]int64
	ids, doubtful  int64
	messages       map[string]bool // of servers that denied a command
	partitionPages map[int][]counting.Page
}

// keyedRequest is one that was acknowledged.
type keyedRequest struct {
	request counting.RequestKey
	visit   counting.Visit
}

func newClusterWorld(t *testing.T, seed uint64, m clusterMutant) *clusterWorld {
	t.Helper()
	w := &clusterWorld{
		Run: chaos.NewRun[*clusterInstance](seed, 2), t: t, mutant: m, proxies: make(map[string]*servers.Proxy),
		left: make(map[counting.Page]bool), reports: make(map[string]int64), messages: make(map[string]bool),
		partitionPages: make(map[int][]counting.Page),
		cluster:        servers.StartCluster(t, 3, 1, "--repl-ping-replica-period", "1", "--appendfsync", "everysec"),
	}
	for _, s := range w.cluster.Servers {
		if m.text != "" {
			w.proxies[s.Addr] = servers.StartRewriter(t, s.Addr, m.text, m.other)
		} else {
			w.proxies[s.Addr] = servers.StartProxy(t, s.Addr)
		}
	}
	w.Start = w.start
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

// send makes requests until the world is calm.
func (w *clusterWorld) send(d *chaos.Dice) {
	ctx := context.Background()
	for !w.IsCalm() {
		time.Sleep(d.About(8 * time.Millisecond))
		i := w.Pick(d)
		visit := counting.Visit{Page: page(d.UpTo(worldPages)), Count: int64(1 + d.UpTo(3))}
		switch x := d.UpTo(100); {
		case x < 50:
			i.Count(ctx, visit)
		case x < 60:
			w.countOnce(ctx, d, visit)
		case x < 65:
			w.countAgain(ctx, d)
		case x < 80:
			w.read(ctx, i, visit.Page, page(d.UpTo(worldPages)))
		default:
			w.accept(ctx, i)
		}
	}
}

// countOnce sends a request with a key until it is acknowledged, a few times at most.
func (w *clusterWorld) countOnce(ctx context.Context, d *chaos.Dice, v counting.Visit) {
	key := check.Value(counting.ParseKey(fmt.Sprint("key ", w.NewID())))(w.t)
	r := keyedRequest{counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}, v}
	account, result := w.Account(v.Page), chaos.Refused
	account.Issue(v.Count)
	for range 3 {
		i := w.Pick(d)
		errs, err := i.Visits.RecordOnce(ctx, r.request, []counting.Visit{v})
		if err == nil {
			err = errs[0]
		}
		if o := i.Outcome(err); o != chaos.Refused {
			result = o
		}
		if result == chaos.Acknowledged {
			break
		}
	}
	account.Settle(result, v.Count)
	if result == chaos.Acknowledged {
		w.mu.Lock()
		w.known = append(w.known, r)
		w.mu.Unlock()
	}
}

// countAgain sends a request again that was acknowledged: it adds nothing.
func (w *clusterWorld) countAgain(ctx context.Context, d *chaos.Dice) {
	w.mu.Lock()
	known := w.known
	w.mu.Unlock()
	if len(known) == 0 {
		return
	}
	r := known[d.UpTo(len(known))]
	if errs, err := w.Pick(d).Visits.RecordOnce(ctx, r.request, []counting.Visit{r.visit}); err == nil && errs[0] == nil {
		w.Counted.Add(chaos.KeyRepeated)
	}
}

// read checks that no page reads below what was acknowledged before, nor above what was
// sent, and that a page which was left behind has no number.
func (w *clusterWorld) read(ctx context.Context, i *clusterInstance, pages ...counting.Page) {
	phase, leftPhase, left := w.phases(pages)
	least := make([]int64, len(pages))
	for k, page := range pages {
		least[k], _ = w.Account(page).Bounds()
	}
	readings := i.Visits.Read(ctx, pages)
	most := make([]int64, len(pages))
	for k, page := range pages {
		_, most[k] = w.Account(page).Bounds()
	}
	after, leftAfter, _ := w.phases(pages)
	for k, r := range readings {
		switch {
		case errors.Is(r.Err, counting.Missing):
			w.Counted.Add(pageMissing)
		case r.Err != nil:
			w.Counted.Add(chaos.ReadFailed)
		case left[k] && leftPhase == leftAfter:
			w.Violate("P3: page %s reads %d, but its count is at another server", pages[k], r.Visits)
		case r.Visits > most[k]:
			w.Violate("P2: page %s reads %d, want %d at most", pages[k], r.Visits, most[k])
		case r.Visits < least[k] && phase%2 == 0 && phase == after:
			w.Violate("P3: page %s reads %d, %d were acknowledged", pages[k], r.Visits, least[k])
		}
	}
}

func (w *clusterWorld) phases(pages []counting.Page) (phase int64, leftPhase int, left []bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, page := range pages {
		left = append(left, w.left[page])
	}
	return w.phase.Load(), w.leftPhase, left
}

// leave notes the pages that have no number from now on.
func (w *clusterWorld) leave(pages []counting.Page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.left)
	w.leftPhase++
	for _, page := range pages {
		w.left[page] = true
	}
}

// accept sends an id that no other request has.
func (w *clusterWorld) accept(ctx context.Context, i *clusterInstance) {
	_, err := i.uniques.Accept(ctx, netip.Prefix{}, w.NewID(), "")
	o := i.Outcome(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o {
	case chaos.Acknowledged:
		w.ids++
	case chaos.Unknown:
		w.doubtful++
	}
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
	last := counting.WindowLength(worldWindow).At(time.Now())
	client := w.partitions()
	defer func() { _ = client.Close() }()
	w.until("all windows are published", func() bool {
		for _, p := range client.Partitions() {
			a, err := p.Heartbeat(context.Background(), counting.Clock{Now: time.Now(), MaxSkew: time.Minute})
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

// checkPages: acknowledged <= stored <= acknowledged + unknown.
func (w *clusterWorld) checkPages() {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	for page, a := range maps.All(w.Accounts()) {
		arc := w.ring.Arc(page)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		tallies, err := client.Partitions()[w.ring.Owner(arc)].Read(ctx, w.ring.Epoch(), []counting.Located{{Arc: arc, Page: page}})
		cancel()
		if err == nil {
			err = tallies[0].Err
		}
		least, most := a.Bounds()
		switch {
		case err != nil:
			w.Violate("P1: page %s can't be read: %v", page, err)
		case tallies[0].Visits < least:
			w.Violate("P1: page %s has %d visits, %d were acknowledged", page, tallies[0].Visits, least)
		case tallies[0].Visits > most:
			w.Violate("P2: page %s has %d visits, want %d to %d", page, tallies[0].Visits, least, most)
		}
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
