package counting

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of dead letters.
const (
	// DeadLetterLife is how long one is kept after its failure.
	DeadLetterLife = 7 * 24 * time.Hour
	// MaxDeadLetters is how many a node keeps.
	MaxDeadLetters = 100_000
	// MaxDeadLetterBytes is how many bytes the endpoints of these have, together. So long
	// endpoints do not use up the memory of a node.
	MaxDeadLetterBytes = 16 << 20
	// MaxDeadLettersAtOnce bounds one call.
	MaxDeadLettersAtOnce = 500
)

// DeadLetterKey names a dead letter: the time of its failure in Unix milliseconds (15
// digits), its window, and a digest of its endpoint. Keys are in the order of the failures.
// The empty key is before all others.
type DeadLetterKey string

// NewDeadLetterKey is the key of an endpoint that failed for a window at a time.
func NewDeadLetterKey(at time.Time, w Window, endpoint string) DeadLetterKey {
	return DeadLettersFrom(at) + DeadLetterKey(DeadLetterName(w, endpoint))
}

// DeadLetterName is what follows the time in a key.
func DeadLetterName(w Window, endpoint string) string {
	digest := sha256.Sum256([]byte(endpoint))
	return fmt.Sprintf("-%d-%x", int64(w), digest[:16])
}

// DeadLettersFrom is before the keys of all failures from a time on, and after all earlier ones.
func DeadLettersFrom(at time.Time) DeadLetterKey {
	return DeadLetterKey(fmt.Sprintf("%015d", max(at.UnixMilli(), 0)))
}

// ErrBadDeadLetterKey is the error of ParseDeadLetterKey.
var ErrBadDeadLetterKey = errors.New("not a key of a dead letter")

var deadLetterKeyForm = regexp.MustCompile(`^\d{15}(-\d{1,15}-[0-9a-f]{32})?$`)

// ParseDeadLetterKey checks a key, or what DeadLettersFrom returns. The error is ErrBadDeadLetterKey.
func ParseDeadLetterKey(text string) (DeadLetterKey, error) {
	if !deadLetterKeyForm.MatchString(text) {
		return "", ErrBadDeadLetterKey
	}
	return DeadLetterKey(text), nil
}

// Failed is the time of the failure, in milliseconds.
func (k DeadLetterKey) Failed() time.Time {
	ms, _ := strconv.ParseInt(string(k[:min(len(k), 15)]), 10, 64)
	return time.UnixMilli(ms)
}

// Window is the window of the count.
func (k DeadLetterKey) Window() Window {
	_, rest, _ := strings.Cut(string(k), "-")
	number, _, _ := strings.Cut(rest, "-")
	w, _ := strconv.ParseInt(number, 10, 64)
	return Window(w)
}

// DeadLetter is the count of a window that an endpoint did not take.
type DeadLetter struct {
	Key      DeadLetterKey
	Endpoint string
	// Count is that of the window.
	Count int64
	// Delivery is the last one, retries included.
	Delivery Delivery
}

// DeadLetterClaim is the result of a claim of one dead letter.
type DeadLetterClaim string

// The results of a claim.
const (
	DeadLetterClaimed DeadLetterClaim = "claimed"
	// DeadLetterBusy: another owner has the lease.
	DeadLetterBusy DeadLetterClaim = "busy"
	// DeadLetterAbsent: the node does not have it, or not any more.
	DeadLetterAbsent DeadLetterClaim = "absent"
)

// DeadLetters is the part of a node that keeps which endpoints did not take the count of a
// window, so that they can be retried (design: windows). One is made by Ledger.Advance, in
// the same step as a delivery that is Final and not Delivered, and once for each window and
// endpoint. That step never fails because of it: a letter that can't be stored is left out.
//
// A node keeps a letter for DeadLetterLife, and MaxDeadLetters of them, whose endpoints have
// MaxDeadLetterBytes at most. Beyond that it deletes the oldest, and counts them
// (sharding.RingSummary). An instance claims letters at
// every node that has them before it retries them. So no two instances send one at a time.
// When an instance has died, its claims end with their lease.
//
// Lists have at most MaxDeadLettersAtOnce elements. The methods are safe for concurrent use,
// may be repeated, and end when their context does. All of them answer ErrUninitialized,
// ErrWrongNode and ErrOtherDeployment as Counts does. The effect of those that change
// something survives a failover.
type DeadLetters interface {
	// ListDeadLetters returns letters after a key, in the order of their keys, at most
	// limit; if fewer, there are no others.
	ListDeadLetters(ctx context.Context, after DeadLetterKey, limit int) ([]DeadLetter, error)

	// ClaimDeadLetters gives owner the right to retry letters until lease is over, and
	// returns a result for each, in their order. An owner that has a claim renews it.
	ClaimDeadLetters(ctx context.Context, owner string, lease time.Duration, keys []DeadLetterKey) ([]DeadLetterClaim, error)

	// ReleaseDeadLetters ends claims of owner and stores the Delivery of each letter.
	// Letters that owner has not claimed stay as they are.
	ReleaseDeadLetters(ctx context.Context, owner string, letters []DeadLetter) error

	// ForgetDeadLetters deletes letters, whichever owner has them.
	ForgetDeadLetters(ctx context.Context, keys []DeadLetterKey) error

	// AddDeadLetters stores letters of another node, claimed by owner until lease is over.
	// Those that the node has stay as they are. The effect is as durable as that of
	// Movable.Confirm.
	AddDeadLetters(ctx context.Context, owner string, lease time.Duration, letters []DeadLetter) error
}
