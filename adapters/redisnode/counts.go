package redisnode

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"footfall/domain/counting"
)

// Apply implements counting.Counts.
func (n *Node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	args := []any{
		int64(b.Epoch), string(b.Session), b.Seq, packVisits(b.Visits), packIDs(b.IDEvents), b.EndpointLimit,
	}
	script := n.scripts.apply
	if len(b.Keyed)+len(b.SetCounts) > 0 {
		script = n.scripts.applyMore
		args = append(args, packKeyed(b.Keyed), b.KeyLimit, packCounts(b.SetCounts))
	}
	word, answer, err := n.run(ctx, script, args...)
	if err != nil {
		return counting.Receipt{}, fmt.Errorf("apply on %s: %w", n.id, err)
	}
	if word == "GAP" {
		return counting.Receipt{}, fmt.Errorf("apply on %s: %w", n.id, &counting.GapError{Last: toInt(answer[0])})
	}
	refused, err := parseRefused(answer[0])
	return counting.Receipt{Duplicate: word == "DUP", Refused: refused}, err
}

// parseRefused reads item:reason,item:reason.
func parseRefused(answer any) ([]counting.Refusal, error) {
	text, _ := answer.(string)
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
func (n *Node) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	_, counts, err := n.run(ctx, n.scripts.read, int64(epoch), packPages(pages))
	if err != nil {
		return nil, fmt.Errorf("read on %s: %w", n.id, err)
	}
	if len(counts) != len(pages) {
		return nil, fmt.Errorf("read on %s: %d answers for %d pages", n.id, len(counts), len(pages))
	}
	tallies := make([]counting.Tally, len(pages))
	for i, c := range counts {
		v, ok := parseCount(c)
		if !ok {
			tallies[i].Err = counting.Corrupt
			continue
		}
		tallies[i].Visits = v
	}
	return tallies, nil
}

// parseCount reads the stored count of a page, 0 where there is none. ok is false
// if it is no count.
func parseCount(answer any) (count int64, ok bool) {
	text, ok := answer.(string)
	if !ok {
		return 0, true // never visited
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil && v >= 0
}

// toInt reads a number of a script's answer, which is text, or 0.
func toInt(answer any) int64 {
	text, _ := answer.(string)
	v, _ := strconv.ParseInt(text, 10, 64)
	return v
}
