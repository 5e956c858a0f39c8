package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

const (
	// pauseFault is the shortest time between two log lines about one kind of fault of a
	// node, and repeatFault that while the fault goes on.
	pauseFault  = time.Minute
	repeatFault = 10 * time.Minute
	// missedPolls is how many polls in a row a node misses before it counts as away.
	missedPolls = 3
	// denialLasts is how long a node counts as refusing after it has denied an item: not
	// every batch has such an item.
	denialLasts = 10 * time.Second
)

// fault is what an instance knows of the last failure of a node. Batches and polls tell it.
type fault struct {
	node counting.NodeID
	addr func() string
	log  *slog.Logger
	// denied is when an item was denied last. It belongs to flushed.
	denied time.Time

	mu     sync.Mutex
	kind   string // empty while the node works
	says   string // by the node's store; empty if it did not answer
	err    error  // the last one that no line about refused requests has named
	since  time.Time
	logged string               // kind of this fault that was logged last
	last   map[string]time.Time // when each kind was logged
	missed int
	silent time.Time // when the first of the missed polls ended
}

// flushed notes how a batch ended.
func (f *fault) flushed(b groupcommit.Flush) {
	denied := slices.ContainsFunc(b.Receipt.Refused, func(r counting.Refusal) bool { return r.Reason == counting.Denied })
	switch {
	case errors.Is(b.Err, context.Canceled), errors.Is(b.Err, counting.ErrClosed): // the instance stops
	case denied && !b.Receipt.Duplicate:
		f.denied = time.Now()
		f.began(&counting.ServerError{Says: b.Receipt.Says, Err: fmt.Errorf("%w: %s", counting.Denied, b.Receipt.Says)})
	case answered(b.Err):
		f.lost(b.Err)
		if time.Since(f.denied) > denialLasts {
			f.ended()
		}
	default:
		f.began(b.Err)
	}
}

// polled notes how a poll ended. It reports whether only a batch can show that the fault
// has ended: a server that is full is read like any other.
func (f *fault) polled(err error) bool {
	f.mu.Lock()
	if f.missed++; f.missed == 1 {
		f.silent = time.Now()
	}
	if answered(err) {
		f.missed = 0
	}
	missed, refuses := f.missed, f.says != ""
	f.mu.Unlock()
	switch {
	case missed == 0 && !refuses:
		f.ended()
	case counting.ServerSays(err) != "", missed >= missedPolls:
		f.began(err)
	}
	return missed == 0 && refuses
}

// answered tells whether the answer of a node is one that the protocol knows.
func answered(err error) bool {
	var gap *counting.GapError
	var skew *counting.SkewError
	if reason, _ := Refusal(err); reason != "" {
		return true // noteRefusal logs it
	}
	return err == nil || errors.Is(err, counting.ErrStale) || errors.Is(err, counting.ErrAhead) || errors.As(err, &gap) || errors.As(err, &skew)
}

// lost notes, as no fault but as a reason to refuse reads, that the node lacks batches.
func (f *fault) lost(err error) {
	var gap *counting.GapError
	if errors.As(err, &gap) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = err
	}
}

// kindOf is the first word of what a store says.
func kindOf(err error) (kind, says string) {
	says = counting.ServerSays(err)
	if kind, _, _ = strings.Cut(says, " "); kind == "" {
		kind = "none"
	}
	return kind, says
}

// began notes a fault, and logs it unless it was logged recently.
func (f *fault) began(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind == "" {
		f.since = time.Now()
		if f.missed > 0 {
			f.since = f.silent
		}
	}
	f.err = err
	f.kind, f.says = kindOf(err)
	quiet := pauseFault
	if f.logged == f.kind {
		quiet = repeatFault
	}
	if time.Since(f.last[f.kind]) < quiet {
		return
	}
	if f.last == nil {
		f.last = make(map[string]time.Time)
	}
	f.last[f.kind], f.logged = time.Now(), f.kind
	what := []any{"node", f.node, "addr", f.addr(), "error", err}
	if lasts := time.Since(f.since).Round(time.Second); lasts > 0 {
		what = append(what, "for", lasts.String())
	}
	if f.says != "" {
		f.log.Warn("node refuses calls", what...)
	} else {
		f.log.Warn("node does not answer", what...)
	}
}

// ended notes that the node works.
func (f *fault) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.logged != "" {
		f.log.Info("node works again", "node", f.node, "after", time.Since(f.since).Round(time.Millisecond).String())
	}
	f.kind, f.says, f.logged = "", "", ""
}

// why is the error of the fault, or of one that has ended and was not named since; empty if
// there is none.
func (f *fault) why() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

// named notes that the log has named the error: it explains nothing later once it has ended.
func (f *fault) named() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind == "" {
		f.err = nil
	}
}

// start is when the fault began, or the first of the last polls was missed; zero if the
// node works.
func (f *fault) start() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.kind != "":
		return f.since
	case f.missed > 0:
		return f.silent
	}
	return time.Time{}
}

// refuses is what the node's store has said in refusing the last batch; empty if it has
// not.
func (f *fault) refuses() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.says
}
