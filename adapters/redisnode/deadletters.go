package redisnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
)

// letterRecord is what is stored of a letter beside its key and its claim. The script of
// Advance puts the count before the rest.
func letterRecord(l counting.DeadLetter) string {
	return fmt.Sprintf("%d %s", l.Count, letterRest(l.Endpoint, l.Delivery))
}

// letterRest begins with the reason, in one word.
func letterRest(endpoint string, d counting.Delivery) string {
	reason := d.Reason
	if reason == "" {
		reason = "-"
	}
	return fmt.Sprintf("%d %d %s %s", d.Attempts, d.Status, reason, endpoint)
}

// parseLetter reads key, until, owner, count, attempts, status, reason, endpoint.
func parseLetter(text string) (l counting.DeadLetter, err error) {
	parts := strings.SplitN(text, " ", 8)
	if len(parts) < 8 {
		return l, counting.Corrupt
	}
	l = counting.DeadLetter{Key: counting.DeadLetterKey(parts[0]), Endpoint: parts[7], Delivery: counting.Delivery{Final: true, Reason: parts[6]}}
	if l.Delivery.Reason == "-" {
		l.Delivery.Reason = ""
	}
	_, err = fmt.Sscan(strings.Join(parts[3:6], " "), &l.Count, &l.Delivery.Attempts, &l.Delivery.Status)
	return l, err
}

func packLetters(letters []counting.DeadLetter) []byte {
	return pack(letters, 2, func(b []byte, l *counting.DeadLetter) []byte {
		return appendString(appendString(b, string(l.Key)), letterRecord(*l))
	})
}

func packLetterKeys(keys []counting.DeadLetterKey) []byte {
	return pack(keys, 1, func(b []byte, key *counting.DeadLetterKey) []byte { return appendString(b, string(*key)) })
}

// newLetter are the arguments of Advance for the letter that a step makes; the first is
// empty if it makes none.
func newLetter(w counting.Window, s counting.Step) (name, rest string) {
	if s.Action != counting.ActionDelivery || !s.Delivery.Final || s.Delivery.Delivered() {
		return "", ""
	}
	return counting.DeadLetterName(w, s.Endpoint), letterRest(s.Endpoint, s.Delivery)
}

// ListDeadLetters implements counting.DeadLetters. A broken letter is left out.
func (n *store) ListDeadLetters(ctx context.Context, after counting.DeadLetterKey, limit int) ([]counting.DeadLetter, error) {
	letters := []counting.DeadLetter{}
	for most := min(limit, counting.MaxDeadLettersAtOnce); len(letters) < most; {
		left := most - len(letters)
		answer, err := n.run(ctx, "list_dead_letters", string(after), left, counting.DeadLetterLife.Milliseconds())
		if err != nil {
			return nil, err
		}
		for i := range answer {
			key, _, _ := strings.Cut(answer.text(i), " ")
			after = counting.DeadLetterKey(key)
			if l, err := parseLetter(answer.text(i)); err == nil {
				letters = append(letters, l)
			}
		}
		if len(answer) < left {
			break
		}
	}
	return letters, nil
}

// ClaimDeadLetters implements counting.DeadLetters.
func (n *store) ClaimDeadLetters(ctx context.Context, owner string, lease time.Duration, keys []counting.DeadLetterKey) ([]counting.DeadLetterClaim, error) {
	answer, err := n.replicated(ctx, "claim_dead_letters", owner, lease.Milliseconds(), counting.MaxLease.Milliseconds(), packLetterKeys(keys))
	if err = answer.check(len(keys), err); err != nil {
		return nil, err
	}
	claims := make([]counting.DeadLetterClaim, len(keys))
	for i := range keys {
		claims[i] = counting.DeadLetterClaim(answer.text(i))
	}
	return claims, nil
}

// ReleaseDeadLetters implements counting.DeadLetters.
func (n *store) ReleaseDeadLetters(ctx context.Context, owner string, letters []counting.DeadLetter) error {
	_, err := n.replicated(ctx, "release_dead_letters", owner, packLetters(letters))
	return err
}

// ForgetDeadLetters implements counting.DeadLetters.
func (n *store) ForgetDeadLetters(ctx context.Context, keys []counting.DeadLetterKey) error {
	_, err := n.replicated(ctx, "forget_dead_letters", packLetterKeys(keys))
	return err
}

// AddDeadLetters implements counting.DeadLetters. It waits for the disk, because the node
// that had the letters is removed next.
func (n *store) AddDeadLetters(ctx context.Context, owner string, lease time.Duration, letters []counting.DeadLetter) error {
	_, err := n.synced(ctx, "add_dead_letters", owner, lease.Milliseconds(), counting.DeadLetterLife.Milliseconds(),
		counting.MaxDeadLetters, counting.MaxDeadLetterBytes, packLetters(letters))
	return err
}
