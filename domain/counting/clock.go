package counting

import (
	"fmt"
	"time"
)

// maxSkew is the longest DefaultMaxSkew.
const maxSkew = 10 * time.Second

// DefaultMaxSkew is the greatest skew where none is configured: 10 s, or one window if
// that is shorter.
func DefaultMaxSkew(l WindowLength) time.Duration { return min(maxSkew, time.Duration(l)) }

// Clock is the caller's part of a check between two clocks: a node takes ids, opens
// and closes windows, and forgets only for callers whose clock agrees with its own
// (design: windows). It is not part of what a batch says: a repetition carries the
// time of the repetition.
type Clock struct {
	// Now is the caller's time when it sends the call.
	Now time.Time
	// MaxSkew is the greatest difference, inclusive, at which the clocks agree.
	MaxSkew time.Duration
}

// Check is nil if the clocks agree, and otherwise a *SkewError. node is the node's time
// when it executes the call.
func (c Clock) Check(node time.Time) error {
	if skew := node.Sub(c.Now); skew > c.MaxSkew || skew < -c.MaxSkew {
		return &SkewError{Ahead: skew}
	}
	return nil
}

// SkewError says that the clocks of a node and of its caller disagree. The call had no
// effect. It does not say which of the two is wrong.
type SkewError struct {
	// Ahead is how far the node's clock is ahead of the caller's, negative if it is
	// behind.
	Ahead time.Duration
}

func (e *SkewError) Error() string {
	if e.Ahead < 0 {
		return fmt.Sprintf("the node's clock is %v behind this instance's", -e.Ahead)
	}
	return fmt.Sprintf("the node's clock is %v ahead of this instance's", e.Ahead)
}

// Unwrap makes it an ErrNotApplied.
func (e *SkewError) Unwrap() error { return ErrNotApplied }
