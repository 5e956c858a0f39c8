package counting

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Located is a page with the arc that it lies in.
type Located struct {
	Arc  Arc
	Page Page
}

// Tally is what a node has counted for one page.
type Tally struct {
	// Visits is 0 for a page that was never visited.
	Visits int64
	// Err, when set, says why this page can't be read. Visits is not valid then.
	Err error
}

// Reading is a Tally with what gave it: the node, or the server that had the node last, if
// other software moves it between servers.
type Reading struct {
	Tally
	Via NodeID
}

// Counts is the part of a node that counts. Its methods are safe for
// concurrent use and end when their context does.
type Counts interface {
	// Apply adds the batch's items to the node in one step, except those that the
	// receipt refuses. Once it is answered, the step survives every crash.
	//   - An id goes to the window of the node's clock or, if that is sealed, to the
	//     next one that is not (SealedWindows.Open). That window becomes a waiting
	//     one (Windows.Heartbeat). If the clocks disagree, ids are refused as
	//     WrongClock.
	//   - Of a keyed item, the visits are added and the key is stored beside their
	//     arc, or neither. If the node has the key of an item that was added, the
	//     item counts as applied. If the stored fingerprint is another, the item is
	//     refused as KeyReused. A key is kept for 24 to 48 hours.
	//   - SetCounts are applied last. They may set what is Corrupt. One with a History is
	//     refused as NoHistory if the node keeps none. All but the first may be refused as WrongClock if
	//     the clocks disagree, or the node was not compacted for days.
	//
	// Errors: ErrUninitialized, ErrWrongNode, ErrOtherDeployment, ErrStale, ErrAhead,
	// *GapError, in the order that Applied.Admit gives, and ErrNotApplied. None of them had an
	// effect. After any other error it is unknown whether the batch was applied, so
	// the caller repeats it unchanged. A session without a batch for 7 days is
	// forgotten.
	Apply(ctx context.Context, b *Batch) (Receipt, error)

	// Read returns a tally for each page, in their order, with every batch
	// in it that was answered before the call. A read of no pages checks what is
	// expected. Errors, in this order: ErrUninitialized, ErrWrongNode,
	// ErrOtherDeployment, ErrStale (the epoch is below the fence), ErrAhead (above the
	// open one), *GapError (the node lacks an expected batch), and others when nothing
	// could be read.
	Read(ctx context.Context, e Expected, pages []Located) ([]Tally, error)

	// List returns some of the pages that the node has, from cursor on, which is
	// empty at first; next is empty after the last. Following it returns every page
	// at least once that is there all the time. It may return pages of arcs that
	// are about to leave. A page that is no count has the count -1. Errors: those of
	// Read, and Moving if arcs are incoming.
	List(ctx context.Context, e Expected, cursor string) (pages []Visit, next string, err error)
}

// Errors of the ports Windows and Ledger.
var (
	// ErrTooEarly: the window has not ended, with its grace, by the clock
	// of the node.
	ErrTooEarly = errors.New("window has not ended yet")
	// ErrRetired: the node has nothing of the window, which ended so long ago that
	// it may have been sealed, retired and forgotten on all nodes.
	ErrRetired = errors.New("window was retired and forgotten")
	// ErrBusy: another owner holds the lease of the window.
	ErrBusy = errors.New("window is being closed by another")
	// ErrStaleToken: the claim was taken over by another owner.
	ErrStaleToken = errors.New("claim was taken over")
)

// HeartbeatResult is a node's answer to the heartbeat of an instance.
type HeartbeatResult struct {
	// Now is the node's time.
	Now time.Time
	// Current is the window to which the node would add an id now.
	Current Window
	// Waiting are the windows that are not retired on this node and may be sealed by
	// its clock, but for the grace: those before Current, and those after it that
	// begin later than its time by more than the greatest skew. They are in ascending order, the
	// oldest 100 at most.
	Waiting []Window
}

// Windows is the part of a node that keeps ids until their window is closed
// (design: windows). The clock is the node's own, compared with the caller's. Its
// methods are safe for concurrent use, may be repeated, and end when their context
// does. All of them answer ErrUninitialized, ErrWrongNode and ErrOtherDeployment as Counts
// does. Seal,
// Distinct and Endpoints return Corrupt if the stored value of w is no count or no
// set. Other windows are not affected.
type Windows interface {
	// Heartbeat makes the current window a waiting one, so that it is
	// published even without ids, and lists the windows to be closed. It also
	// deletes what has been kept long enough. If the clocks disagree it only
	// lists.
	Heartbeat(ctx context.Context, c Clock) (HeartbeatResult, error)

	// Waiting returns the waiting windows before one, newest first, at most limit; if
	// fewer, there are no others.
	Waiting(ctx context.Context, before Window, limit int) ([]Window, error)

	// Seal freezes the number of distinct ids that the node has for w and returns
	// it. It is 0 for an unknown window. Later ids go to other windows. Until w is
	// retired it is a waiting one, also if it was unknown: so a node tells windows that
	// are sealed from those that are closed. The number stays the same until the ids of w are forgotten (Retire). Errors:
	//   - *SkewError: the clocks disagree, and w is not sealed;
	//   - ErrTooEarly until grace after the end of w. A window other than the current
	//     one is exempt if it begins later than the node's time by more than the
	//     greatest skew: all clocks were ahead when it was opened;
	//   - ErrRetired from 7 days after the end of w on, if the node has nothing of
	//     w and w is not waiting. By then the entry that says Done may be
	//     forgotten.
	Seal(ctx context.Context, w Window, grace time.Duration, c Clock) (int64, error)

	// Distinct returns the number of ids that the node has for w so far, or
	// the sealed number.
	Distinct(ctx context.Context, w Window) (int64, error)

	// Endpoints returns the distinct endpoints that came with the ids of w,
	// in no particular order.
	Endpoints(ctx context.Context, w Window) ([]string, error)

	// Retire ends w: it is not waiting any more, and ids go to later windows. Its
	// ids and endpoints are forgotten 10 minutes later, its Ledger entry is not.
	Retire(ctx context.Context, w Window) error
}

// State is the state of a window: open until its count is recorded, then sealed,
// published, and done when its endpoints were notified. A window is lost if a node with
// a part of it was abandoned. It is shown as damaged if its stored data is corrupt.
type State string

// The states, in their order.
const (
	Open      State = "open"
	Sealed    State = "sealed"
	Published State = "published"
	Done      State = "done"
	Lost      State = "lost"
	Damaged   State = "damaged"
)

// Entry is what the home of a window stores of it.
type Entry struct {
	Window Window
	State  State
	// Count is the frozen number of distinct ids over all nodes, valid from
	// Sealed on.
	Count int64
	// Sink names where the count was published, from Published on.
	Sink string
	// Deliveries sums up the notifications of endpoints, valid when Done.
	Deliveries DeliveryTotals
}

// Supersedes tells whether an entry has precedence over another one of the same window,
// if two nodes have one. The order is open, damaged, lost, sealed, published, done.
func (e Entry) Supersedes(than Entry) bool {
	order := []State{Open, Damaged, Lost, Sealed, Published, Done}
	return slices.Index(order, e.State) > slices.Index(order, than.State)
}

// FullEntry is an Entry with its deliveries, by endpoint.
type FullEntry struct {
	Entry
	ByEndpoint map[string]Delivery
}

// DeliveryTotals sums up the deliveries of one window.
type DeliveryTotals struct {
	// Endpoints were named; Delivered of them accepted the count, Failed did not.
	Endpoints int `json:"endpoints"`
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
}

// Delivery is the last known state of notifying one endpoint of one window.
type Delivery struct {
	// Attempts were made; 0 for an endpoint abandoned before the first one.
	Attempts int `json:"attempts"`
	// Status is the HTTP status of the last one; 0 if there was no answer.
	Status int `json:"status"`
	// Final: no more attempts follow.
	Final bool `json:"final,omitempty"`
	// Reason is one word that says why a Final delivery had no attempt, or no more; it
	// is empty if its attempts were made.
	Reason string `json:"reason,omitempty"`
}

// Delivered tells whether the endpoint accepted the count.
func (c Delivery) Delivered() bool { return c.Status >= 200 && c.Status <= 299 }

// Action names what a Step does.
type Action string

// The actions.
const (
	ActionRenew    Action = "renew"
	ActionRecord   Action = "record"
	ActionLose     Action = "lose"
	ActionPublish  Action = "publish"
	ActionDelivery Action = "call"
	ActionFinish   Action = "finish"
)

// Step is a change of an entry by the owner of its claim.
type Step struct {
	Action Action
	// What belongs to the action.
	Lease    time.Duration
	Count    int64
	Sink     string
	Endpoint string
	Delivery Delivery
	Totals   DeliveryTotals
}

// Renew starts the lease again.
func Renew(lease time.Duration) Step { return Step{Action: ActionRenew, Lease: lease} }

// Record moves a window from Open to Sealed with its count. The first recorded
// count wins.
func Record(count int64) Step { return Step{Action: ActionRecord, Count: count} }

// MarkLost moves a window from Open to Lost: a part of it was abandoned, so it will
// never have a count. A window that has a count keeps it.
func MarkLost() Step { return Step{Action: ActionLose} }

// Publish moves a window from Sealed to Published, with the name of the sink.
func Publish(sink string) Step { return Step{Action: ActionPublish, Sink: sink} }

// SaveDelivery stores the last delivery to an endpoint.
func SaveDelivery(endpoint string, d Delivery) Step {
	return Step{Action: ActionDelivery, Endpoint: endpoint, Delivery: d}
}

// Finish moves a window from Published to Done, with its totals.
func Finish(totals DeliveryTotals) Step { return Step{Action: ActionFinish, Totals: totals} }

// Ledger is the part of a node that stores the entries of the windows whose home
// it is. An instance claims a window before it closes it. Each step carries the
// token of the claim, and a token that is not the last is ErrStaleToken. The methods
// are safe for concurrent use, may be repeated, and end when their context does. All
// of them answer ErrUninitialized, ErrWrongNode and ErrOtherDeployment as Counts does. An
// entry is kept for 7 days after its last change, its deliveries until 10 minutes after Done.
type Ledger interface {
	// Claim gives owner the right to close w until lease is over, and returns the
	// entry. The same owner receives a new token. A window that is Done or Lost is
	// not claimed: the token is empty. ErrBusy: another owner has the lease.
	Claim(ctx context.Context, w Window, owner string, lease time.Duration) (token string, e Entry, err error)

	// Advance changes the entry of w by one step (Renew, Record, MarkLost, Publish,
	// SaveDelivery, Finish), and returns it as it is then. A step that was done
	// before changes nothing, and no step moves a window back. ErrNotApplied: the
	// step needs an earlier one.
	Advance(ctx context.Context, w Window, token string, s Step) (Entry, error)

	// Entry returns the entry of w, an Open one if there is none, and its
	// deliveries by endpoint.
	Entry(ctx context.Context, w Window) (Entry, map[string]Delivery, error)

	// Entries returns the entries of windows before one, newest first, at most
	// limit; if fewer, there are no others. A corrupt entry has the state Damaged
	// and its Window.
	Entries(ctx context.Context, before Window, limit int) ([]Entry, error)
}
