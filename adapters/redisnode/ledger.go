package redisnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
)

// Claim implements counting.Ledger.
func (n *store) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	answer, err := n.run(ctx, "claim", int64(w), seconds(counting.EntryLife), owner, lease.Milliseconds(), counting.MaxLease.Milliseconds())
	return answer.text(0), parseEntry(w, answer, 1), err
}

// Advance implements counting.Ledger.
func (n *store) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	letter, rest := newLetter(w, s)
	answer, err := n.replicated(ctx, "advance", int64(w), seconds(counting.EntryLife), token, string(s.Action),
		s.Lease.Milliseconds(), s.Count, s.Sink, s.Endpoint, deliveryText(s.Delivery),
		s.Totals.Endpoints, s.Totals.Delivered, s.Totals.Failed, seconds(counting.WindowLife),
		letter, rest, counting.DeadLetterLife.Milliseconds(), counting.MaxDeadLetters, counting.MaxDeadLetterBytes)
	return parseEntry(w, answer, 0), err
}

func deliveryText(d counting.Delivery) string {
	// Earlier programs write three fields, and read only these.
	return strings.TrimRight(fmt.Sprintf("%d %d %t %s", d.Attempts, d.Status, d.Final, d.Reason), " ")
}

func parseDelivery(text string) (d counting.Delivery, err error) {
	_, err = fmt.Sscanf(text, "%d %d %t", &d.Attempts, &d.Status, &d.Final)
	if words := strings.Fields(text); len(words) > 3 {
		d.Reason = words[3]
	}
	return d, err
}

// Entry implements counting.Ledger.
func (n *store) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	answer, err := n.run(ctx, "entry", int64(w))
	if err != nil {
		return counting.Entry{}, nil, err
	}
	stored := answer.list(1)
	calls := make(map[string]counting.Delivery, len(stored)/2)
	for i := 0; i+1 < len(stored); i += 2 {
		d, err := parseDelivery(stored.text(i + 1))
		if err != nil {
			return counting.Entry{}, nil, fmt.Errorf("deliveries of window on %s: %w", n.id, err)
		}
		calls[stored.text(i)] = d
	}
	return parseEntry(w, answer, 0), calls, nil
}

// entriesACall bounds the keys that one call of the script reads: no other call is served
// meanwhile.
const entriesACall = 500

// Entries implements counting.Ledger.
func (n *store) Entries(ctx context.Context, before counting.Window, limit int) (entries []counting.Entry, err error) {
	for at, more := int64(before), true; more; {
		answer, err := n.run(ctx, "entries", at, min(limit, entriesACall))
		if err != nil {
			return nil, err
		}
		for i := 1; i < len(answer); i += 2 {
			entries = append(entries, parseEntry(counting.Window(answer.int64(i)), answer, i+1))
		}
		at, more = answer.int64(0), answer.text(0) != "" && len(entries) < limit
	}
	return entries[:min(limit, len(entries))], nil
}

// parseEntry reads state, count, sink, endpoints, delivered, failed, or the
// word damaged. An entry without a state is that of a window that was never claimed.
func parseEntry(w counting.Window, a answer, i int) counting.Entry {
	if a.text(i) == string(counting.Damaged) {
		return counting.Entry{Window: w, State: counting.Damaged}
	}
	fields := a.list(i)
	if fields.text(0) == "" {
		return counting.Entry{Window: w, State: counting.Open}
	}
	return counting.Entry{
		Window: w, State: counting.State(fields.text(0)), Count: fields.int64(1), Sink: fields.text(2),
		Deliveries: counting.DeliveryTotals{Endpoints: fields.int(3), Delivered: fields.int(4), Failed: fields.int(5)},
	}
}
