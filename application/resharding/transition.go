package resharding

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Phase is how far a change of the ring has come at the instance that coordinates it
// (design: ring). Preparing, Accepting and Opening are prepare, accept and learn of
// single-decree Paxos, with the epoch as the ballot.
type Phase string

// The phases.
const (
	// Surveying asks all nodes for their state and window, waits until their
	// stores are durable, and computes the next ring. It writes nothing.
	Surveying Phase = "surveying"
	// HandingOver copies the ledger entries of the members that the next ring
	// drops to the new homes of their windows.
	HandingOver Phase = "handing_over"
	// Preparing fences all nodes. No node serves the old epoch from then on.
	Preparing Phase = "preparing"
	// Accepting has the voters accept the ring. A majority decides the change.
	Accepting Phase = "accepting"
	// Opening opens the decided ring on all nodes.
	Opening Phase = "opening"
	// Resolving finishes the change if a majority may have accepted it, and
	// rolls it back if not (cluster.Resolve).
	Resolving Phase = "resolving"

	// Opened is final: the ring is decided, and this instance uses it.
	Opened Phase = "opened"
	// Refused is final: no node was fenced.
	Refused Phase = "refused"
	// RolledBack is final: the old ring is open in a later epoch.
	RolledBack Phase = "rolled_back"
	// Undecided is final for this instance: another instance resolves the change.
	Undecided Phase = "undecided"
)

// step is the work of a phase, and the phases that follow it: onSuccess if the work
// succeeds, onSpecial after an error that wraps special, onError after any other error.
type step struct {
	do                 func(*transition, context.Context) error
	onSuccess, onError Phase
	special            error
	onSpecial          Phase
}

// steps are the edges of the state machine. A phase without a step is final.
func steps() map[Phase]step {
	return map[Phase]step{
		Surveying:   {do: (*transition).survey, onSuccess: HandingOver, onError: Refused},
		HandingOver: {do: (*transition).handOver, onSuccess: Preparing, onError: Refused},
		Preparing:   {do: (*transition).prepare, onSuccess: Accepting, onError: Resolving, special: errUntouched, onSpecial: Refused},
		Accepting:   {do: (*transition).accept, onSuccess: Opening, onError: Resolving},
		// The ring is decided: an error only says that nodes open it later.
		Opening:   {do: (*transition).open, onSuccess: Opened, onError: Opened},
		Resolving: {do: (*transition).resolve, onSuccess: RolledBack, onError: Undecided, special: errDecided, onSpecial: Opened},
	}
}

var (
	// errUntouched: no node was fenced.
	errUntouched = errors.New("no node was fenced")
	// errDecided: a change that seemed to fail was accepted by a majority.
	errDecided = errors.New("the change was made")
	// errWindowReached: a node had already reached the first window of the new table.
	errWindowReached = errors.New("the change came too late for its window")
)

// transition is one attempt to change the ring.
type transition struct {
	*Service
	// plan computes the ring after a change of a view's ring. It abandons the members
	// with the ids of abandoned.
	plan      plan
	abandoned []counting.NodeID
	// moved is the member that gets another address; nil if none does. The view asks it
	// there.
	moved *moved
	// from is the lowest first window that the new table may have.
	from counting.Window

	view    *cluster.View   // whose ring is changed
	lost    []int           // members of it that are to be abandoned
	away    []string        // by member: why those can't be reached
	moving  bool            // arcs move between the others
	decider counting.NodeID // of them; empty if there is none (sharding.Ring.Decider)
	asked   sharding.Change // for next
	next    *sharding.Ring
	highest counting.Window // that a node has
}

type plan func(*cluster.View, sharding.Change) (*sharding.Ring, error)

const (
	// maxAttempts bounds the attempts to be in time for the first window of the table.
	maxAttempts = 3
	// windowsAhead is how many windows after the current one of a node the table
	// begins: the next one may be reached before all nodes are fenced.
	windowsAhead = 2
)

// change changes the ring by a plan; the arcs move later. With dry it changes nothing.
func (s *Service) change(ctx context.Context, dry bool, p plan, abandoned ...counting.NodeID) (sharding.Plan, error) {
	return s.make(ctx, dry, transition{Service: s, plan: p, abandoned: abandoned})
}

// make makes a change. The attempts are copies of the first one.
func (s *Service) make(ctx context.Context, dry bool, first transition) (sharding.Plan, error) {
	if s.Cluster.View().IsFixed() {
		return sharding.Plan{}, sharding.ErrFixed
	}
	if s.Locate == nil {
		return sharding.Plan{}, fmt.Errorf("%w: this store is one node", sharding.ErrBadChange)
	}
	from := counting.Window(0)
	for range maxAttempts {
		t := first
		t.from = from
		err := t.run(ctx, dry)
		if err == nil {
			plan := t.next.Plan()
			plan.Loss = t.loss()
			return plan, nil
		}
		if !errors.Is(err, errWindowReached) {
			return sharding.Plan{}, s.explainBusy(err)
		}
		from = t.highest + windowsAhead
	}
	return sharding.Plan{}, fmt.Errorf("%w: the clocks of the nodes are too far apart", counting.ErrUnavailable)
}

// run takes the phases one after the other. It returns the error that kept the ring from
// being opened. dry ends after Surveying.
func (t *transition) run(ctx context.Context, dry bool) error {
	all := steps()
	var failure error // why the ring was not opened, or was not opened everywhere
	for phase := Surveying; ; {
		s, ok := all[phase]
		if !ok || dry && phase != Surveying {
			if phase == Opened {
				t.nudge() // the movers go by the opened ring
			}
			return failure
		}
		err := s.do(t, ctx)
		switch {
		case err == nil:
			phase = s.onSuccess
		case errors.Is(err, s.special):
			phase = s.onSpecial
		default:
			phase = s.onError
		}
		switch {
		case errors.Is(err, errDecided):
			failure = nil
		case phase == Undecided:
			failure = fmt.Errorf("%w, and it isn't rolled back yet: %w", failure, err)
		case err != nil:
			failure = err
		}
	}
}

// survey asks the nodes and computes the next ring.
func (t *transition) survey(ctx context.Context) error {
	v := t.Cluster.View()
	t.view = v
	if t.moved != nil {
		if err := t.lookElsewhere(ctx); err != nil {
			return err
		}
		if err := t.replan(ctx); err != nil {
			return err
		}
		return t.checkFormer(ctx) // the disks may have taken seconds
	}
	if len(t.abandoned) > 0 {
		next, err := t.plan(v, sharding.Change{}) // before any node is asked
		if err != nil {
			return err
		}
		t.decider, _ = v.Decider(next)
		t.away = make([]string, len(v.Members()))
		for _, id := range t.abandoned {
			t.lost = append(t.lost, v.Index(id))
		}
		if err := t.checkAway(ctx); err != nil {
			return err
		}
		if err := t.checkMoving(ctx); err != nil {
			return err
		}
	}
	if err := t.replan(ctx); err != nil {
		return err
	}
	if len(t.lost) > 0 {
		return t.checkAway(ctx) // the disks of the others may have taken seconds
	}
	return nil
}

// replan surveys the nodes and plans by what they answer.
func (t *transition) replan(ctx context.Context) error {
	c, err := t.surveyNodes(ctx)
	if err != nil {
		return err
	}
	c.ID, c.From, c.Moving = crand.Text(), max(c.From, t.from), t.moving
	if t.next != nil { // by a later oldest window, members could go that were not handed over
		c.Oldest = min(c.Oldest, t.asked.Oldest)
	}
	t.asked = c
	t.next, err = t.plan(t.view, c)
	return err
}

// handOver hands over the entries and the dead letters of the members that the next ring drops. That may
// take longer than a window, so it plans again.
func (t *transition) handOver(ctx context.Context) error {
	dropped := droppedBy(t.next, t.view)
	if len(dropped) == 0 {
		return nil
	}
	if err := t.copyEntries(ctx, t.view, t.next, dropped); err != nil {
		return err
	}
	if err := t.moveLetters(ctx, t.view, t.next, dropped); err != nil {
		return err
	}
	return t.replan(ctx)
}

// prepare fences the first node, then the others concurrently: of several changes
// that begin simultaneously, one passes the first node. All nodes have to answer.
func (t *transition) prepare(ctx context.Context) error {
	nodes, err := t.nodes()
	if err != nil {
		return counting.Mark(err, errUntouched)
	}
	if t.highest, err = fenceAll(ctx, nodes, t.next); err != nil {
		return err
	}
	if t.highest >= t.next.IDTables()[0].From && t.next.Table() == t.next.Epoch() {
		return errWindowReached
	}
	if t.next.Epoch() > t.view.Epoch()+1 {
		return t.checkNotSuperseded(ctx, nodes)
	}
	return nil
}

// accept has the voters accept the ring.
func (t *transition) accept(ctx context.Context) error {
	if err := t.Cluster.Accept(ctx, t.view, t.next); err != nil {
		return counting.Mark(err, counting.ErrUnavailable)
	}
	return nil
}

// open opens the ring, also when ctx is over.
func (t *transition) open(ctx context.Context) error {
	ctx, cancel := ending(ctx)
	defer cancel()
	return t.Cluster.Publish(ctx, t.next)
}

// resolve ends the change, also when ctx is over. errDecided: it was made after all.
func (t *transition) resolve(ctx context.Context) error {
	ctx, cancel := ending(ctx)
	defer cancel()
	if err := t.Cluster.Resolve(ctx, t.view, t.next.Epoch()); err != nil {
		return err
	}
	if t.Cluster.View().ChangeID() == t.next.ChangeID() {
		return errDecided
	}
	return nil
}

// ending is for what the coordinator does after a fence: nodes serve no epoch until
// the change is opened or rolled back.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cluster.EndingTime)
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
