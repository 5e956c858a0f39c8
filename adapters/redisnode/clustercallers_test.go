package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

// keyedRequest is one that was acknowledged.
type keyedRequest struct {
	request counting.RequestKey
	visit   counting.Visit
}

// send makes requests until the world is calm.
func (w *clusterWorld) send(d *chaos.Dice) {
	ctx := context.Background()
	for !w.IsCalm() {
		time.Sleep(d.About(8 * time.Millisecond))
		w.requests.RLock()
		w.request(ctx, d)
		w.requests.RUnlock()
	}
}

func (w *clusterWorld) request(ctx context.Context, d *chaos.Dice) {
	i := w.Pick(d)
	if w.onlyReads.Load() {
		w.read(ctx, i, page(d.UpTo(worldPages)), page(d.UpTo(worldPages)))
		w.read(ctx, i, page(d.UpTo(worldPages)))
		return
	}
	visit := counting.Visit{Page: page(d.UpTo(worldPages)), Count: int64(1 + d.UpTo(3))}
	switch x := d.UpTo(100); {
	case x < 50:
		i.Count(ctx, visit)
	case x < 60:
		w.countOnce(ctx, d, visit)
	case x < 65:
		w.countAgain(ctx, d)
	case x < 70:
		w.readHistory(ctx, i, visit.Page)
	case x < 80:
		w.read(ctx, i, visit.Page, page(d.UpTo(worldPages)))
	default:
		w.accept(ctx, i)
	}
}

// countOnce sends a request with a key until it is acknowledged, a few times at most.
func (w *clusterWorld) countOnce(ctx context.Context, d *chaos.Dice, v counting.Visit) {
	key := check.Value(counting.ParseKey(fmt.Sprint("key ", w.NewID())))(w.t)
	r := keyedRequest{counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}, v}
	account, result := w.Account(v.Page), chaos.Refused
	account.Issue(v.Count)
	mention := w.Diary.Send(v)
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
	mention.Settle(result)
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
// sent, and that a page which was left behind has no number. Until what a killed master had
// acknowledged is repeated, no page reads below what this instance has acknowledged.
func (w *clusterWorld) read(ctx context.Context, i *clusterInstance, pages ...counting.Page) {
	phase, leftPhase, left := w.phases(pages)
	least, own := make([]int64, len(pages)), make([]int64, len(pages))
	for k, page := range pages {
		own[k] = i.OwnLeast(page)
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
		case r.Visits < own[k]:
			w.Violate("P3: page %s reads %d by %s, which has acknowledged %d", pages[k], r.Visits, i.Name, own[k])
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

// leave notes the pages that have no number from now on, and those that have no history.
func (w *clusterWorld) leave(pages, histories []counting.Page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.left)
	clear(w.leftHistory)
	w.leftPhase++
	for _, page := range pages {
		w.left[page] = true
	}
	for _, page := range histories {
		w.leftHistory[page] = true
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
