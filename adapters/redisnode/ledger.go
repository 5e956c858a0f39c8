package redisnode

import (
	"context"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// Claim implements counting.Ledger.
func (n *Node) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	_, answer, err := n.run(ctx, n.scripts.claim, int64(w), seconds(counting.EntryLife), owner, lease.Milliseconds())
	if err != nil {
		return "", counting.Entry{}, fmt.Errorf("claim window %d on %s: %w", w, n.id, err)
	}
	token, _ := answer[0].(string)
	return token, parseEntry(w, answer[1]), nil
}

// Advance implements counting.Ledger.
func (n *Node) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	args := []any{int64(w), seconds(counting.EntryLife), token, string(s.Action)}
	switch s.Action {
	case counting.ActionRenew:
		args = append(args, s.Lease.Milliseconds())
	case counting.ActionRecord:
		args = append(args, s.Count)
	case counting.ActionPublish:
		args = append(args, s.Sink)
	case counting.ActionDelivery:
		args = append(args, s.Endpoint, deliveryText(s.Delivery))
	case counting.ActionFinish:
		args = append(args, s.Totals.Endpoints, s.Totals.Delivered, s.Totals.Failed, seconds(counting.WindowLife))
	case counting.ActionLose: // nothing belongs to it
	}
	_, answer, err := n.run(ctx, n.scripts.advance, args...)
	if err != nil {
		return counting.Entry{}, fmt.Errorf("%s window %d on %s: %w", s.Action, w, n.id, err)
	}
	return parseEntry(w, answer[0]), nil
}

func deliveryText(d counting.Delivery) string {
	return fmt.Sprintf("%d %d %t", d.Attempts, d.Status, d.Final)
}

// Entry implements counting.Ledger.
func (n *Node) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	_, answer, err := n.run(ctx, n.scripts.entry, int64(w))
	if err != nil {
		return counting.Entry{}, nil, fmt.Errorf("entry of window %d on %s: %w", w, n.id, err)
	}
	kept, _ := answer[1].([]any)
	calls := make(map[string]counting.Delivery, len(kept)/2)
	for i := 0; i+1 < len(kept); i += 2 {
		endpoint, _ := kept[i].(string)
		text, _ := kept[i+1].(string)
		var c counting.Delivery
		if _, err := fmt.Sscanf(text, "%d %d %t", &c.Attempts, &c.Status, &c.Final); err != nil {
			return counting.Entry{}, nil, fmt.Errorf("deliveries of window %d on %s: %w", w, n.id, err)
		}
		calls[endpoint] = c
	}
	return parseEntry(w, answer[0]), calls, nil
}

// Entries implements counting.Ledger.
func (n *Node) Entries(ctx context.Context, before counting.Window, limit int) ([]counting.Entry, error) {
	_, answer, err := n.run(ctx, n.scripts.entries, int64(before), limit)
	if err != nil {
		return nil, fmt.Errorf("entries of %s: %w", n.id, err)
	}
	entries := make([]counting.Entry, 0, len(answer)/2)
	for i := 0; i+1 < len(answer); i += 2 {
		entries = append(entries, parseEntry(counting.Window(toInt(answer[i])), answer[i+1]))
	}
	return entries, nil
}

// parseEntry reads state, count, sink, endpoints, delivered, failed, or the
// word damaged. An entry without a state is that of a window that was never claimed.
func parseEntry(w counting.Window, answer any) counting.Entry {
	if answer == string(counting.Damaged) {
		return counting.Entry{Window: w, State: counting.Damaged}
	}
	fields, _ := answer.([]any)
	e := counting.Entry{Window: w, State: counting.Open}
	if len(fields) < 6 || fields[0] == nil {
		return e
	}
	state, _ := fields[0].(string)
	sink, _ := fields[2].(string)
	e.State, e.Count, e.Sink = counting.State(state), toInt(fields[1]), sink
	e.Deliveries = counting.DeliveryTotals{Endpoints: int(toInt(fields[3])), Delivered: int(toInt(fields[4])), Failed: int(toInt(fields[5]))}
	return e
}
