package redisnode

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// listPages is about how many pages one call of List returns.
const listPages = 500

// Apply implements counting.Counts. If the node waits for replicas, it answers when they
// have the batch. A batch for which too few are online is not applied.
func (n *store) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	l := limitsOf(b)
	args := []any{
		int64(b.Epoch), string(b.Session), b.Seq, n.replicas, unixSeconds(b.At), b.Clock.Now.UnixMilli(), b.Clock.MaxSkew.Milliseconds(),
		packVisits(b.Visits), packIDs(b.IDEvents, n.sets), l.endpoints, l.pages,
	}
	function := "apply"
	switch {
	case len(b.Keyed)+len(b.SetCounts) > 0:
		function = applyMore
		args = append(args, packKeyed(b.Keyed), l.keys, l.records, packCounts(b.SetCounts))
	case len(b.IDEvents) > 0:
		function = applyIDs
	}
	get := n.servers.pool
	if n.replicas > 0 {
		get = n.servers.connection
	}
	on, word, answer, err := n.call(ctx, get, function, args)
	if err == nil {
		defer on.close()
	}
	switch {
	case err != nil:
	case word == "REPLICAS":
		err = tooFew(answer.int(0), n.replicas, notApplied)
	case n.replicas > 0:
		err = awaitReplicas(ctx, on, n.replicas, replicaTimeout)
	}
	if word != "" && err != nil {
		err = fmt.Errorf("apply batch on %s: %w", n.id, err)
	}
	if err != nil {
		return counting.Receipt{}, err
	}
	n.warnMissing(answer.text(2))
	refused, err := parseRefused(answer.text(0))
	at := timeOf(answer.int64(3))
	return counting.Receipt{Duplicate: word == "DUP", Refused: refused, Says: n.words(answer.text(1)), At: at}, err
}

// itemLimits bound what a batch may add.
type itemLimits struct{ endpoints, keys, records, pages int }

func limitsOf(b *counting.Batch) itemLimits {
	if b.Repeated {
		return itemLimits{endpoints: math.MaxInt32, keys: math.MaxInt32}
	}
	return itemLimits{b.EndpointLimit, b.KeyLimit, b.RecordLimit, b.PageLimit}
}

// parseRefused reads item:reason,item:reason.
func parseRefused(text string) ([]counting.Refusal, error) {
	if text == "" {
		return nil, nil
	}
	var refused []counting.Refusal
	for one := range strings.SplitSeq(text, ",") {
		item, reason, _ := strings.Cut(one, ":")
		i, err := strconv.Atoi(item)
		r, err2 := strconv.ParseUint(reason, 10, 8)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("refusals %q", text)
		}
		refused = append(refused, counting.Refusal{Item: i, Reason: counting.Reason(r)})
	}
	return refused, nil
}

// Read implements counting.Counts.
func (n *store) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	answer, err := n.run(ctx, "read", int64(e.Epoch), string(e.Session), e.Seq, packPages(pages))
	if err = answer.check(len(pages), err); err != nil {
		return nil, err
	}
	tallies := make([]counting.Tally, len(pages))
	for i := range pages {
		var ok bool
		if tallies[i].Visits, ok = answer.count(i); !ok {
			tallies[i] = counting.Tally{Err: counting.Corrupt}
		}
		if answer.text(i) == "missing" {
			n.warnMissing(strconv.Itoa(int(pages[i].Arc)))
			tallies[i] = counting.Tally{Err: counting.Missing}
		}
	}
	return tallies, nil
}

// List implements counting.Counts. The cursor is the arc and the cursor of
// HSCAN in it. Corrupt: an arc is no hash. Missing: one is not there.
func (n *store) List(ctx context.Context, e counting.Expected, cursor string) ([]counting.Visit, string, error) {
	answer, err := n.run(ctx, "list", int64(e.Epoch), string(e.Session), e.Seq, cursor, listPages, sharding.Arcs)
	if err != nil {
		return nil, "", err
	}
	var pages []counting.Visit
	for i := 1; i < len(answer); i += 2 {
		pages = appendPages(pages, counting.Arc(answer.int(i)), answer.list(i+1))
	}
	return pages, answer.text(0), nil
}

// appendPages reads page, count, ... of an arc.
func appendPages(pages []counting.Visit, arc counting.Arc, found answer) []counting.Visit {
	for i := 0; i+1 < len(found); i += 2 {
		if found.text(i) == "" { // the header of an arc
			continue
		}
		count, ok := found.count(i + 1)
		if !ok {
			count = -1
		}
		pages = append(pages, counting.Visit{Arc: arc, Page: counting.Page(found.text(i)), Count: count})
	}
	return pages
}

// warnMissing logs, once a minute, that the pages of an arc are not where they should be.
func (n *store) warnMissing(arc string) {
	now := time.Now().Unix()
	if last := n.warned.Load(); arc == "" || now-last < 60 || !n.warned.CompareAndSwap(last, now) {
		return
	}
	n.log.Error("pages of a partition are missing, and answer 503: a failover has ended a migration of its slot; "+
		"bring its keys back as docs/redis-cluster.md#pages-are-missing says", "node", n.id, "key", n.Prefix()+"c:"+arc)
}
