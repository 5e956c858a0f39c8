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
	s := n.scripts.apply
	if len(b.Keyed)+len(b.SetCounts) > 0 {
		s = n.scripts.applyMore
		args = append(args, packKeyed(b.Keyed), b.KeyLimit, packCounts(b.SetCounts))
	}
	word, answer, err := n.call(ctx, n.client, s, args)
	if word == "GAP" {
		err = fmt.Errorf("apply on %s: %w", n.id, &counting.GapError{Last: answer.int64(0)})
	}
	if err != nil {
		return counting.Receipt{}, err
	}
	refused, err := parseRefused(answer.text(0))
	return counting.Receipt{Duplicate: word == "DUP", Refused: refused}, err
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
func (n *Node) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	answer, err := n.run(ctx, n.scripts.read, int64(epoch), packPages(pages))
	if err = answer.check(len(pages), err); err != nil {
		return nil, err
	}
	tallies := make([]counting.Tally, len(pages))
	for i := range pages {
		var ok bool
		if tallies[i].Visits, ok = answer.count(i); !ok {
			tallies[i] = counting.Tally{Err: counting.Corrupt}
		}
	}
	return tallies, nil
}
