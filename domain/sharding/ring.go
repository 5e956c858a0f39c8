// Package sharding decides which node has which page. The hash circle is divided into
// equal arcs, each owned by one node (strategy 3 of DeCandia et al., "Dynamo: Amazon's
// Highly Available Key-value Store", 2007, section 6.2). A Ring is one immutable state
// of that division; a change makes another.
package sharding

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"footfall/domain/counting"
)

const (
	arcBits = 14
	// Arcs is the number of equal arcs of the hash circle.
	Arcs = 1 << arcBits
	// MaxMembers bounds the ring, so that each member can own some arcs.
	MaxMembers = 4096
	// MaxWeight bounds the weight of a member.
	MaxWeight = 1 << 20
)

// ErrBadChange is wrapped by every error of New, and of the methods that make the ring
// after a change.
var ErrBadChange = errors.New("bad change of the ring")

// MemberState tells whether a member owns arcs.
type MemberState string

// The states. A Leaving member owns no arcs by the newest table. A Lost member was
// abandoned with its data. The first change after all their windows are done drops
// both. Before that, the coordinator copies the ledger entries of a Leaving member to
// their new homes.
const (
	Active  MemberState = "active"
	Leaving MemberState = "leaving"
	Lost    MemberState = "lost"
)

// Member is a node of the ring. Its share of the arcs is its weight divided
// by the sum of the weights.
type Member struct {
	ID     counting.NodeID `json:"id"`
	Addr   string          `json:"addr"`
	Weight int             `json:"weight"`
	State  MemberState     `json:"state"`
	// Since is the epoch of the ring that added it, 0 for the first ring. It has
	// nothing of what a node of its id was sent in earlier epochs.
	Since counting.Epoch `json:"since,omitempty"`
	// Moved is the epoch of the ring that gave it its address (MoveAddress), 0 if it
	// joined with it. Then that address is newer than any that is configured.
	Moved counting.Epoch `json:"moved,omitempty"`
}

// Ring is one state of the division of the circle. It is immutable, and so safe for
// concurrent use. Methods name members by their index in Members.
type Ring struct {
	deployment string
	name       string
	seed       uint64
	length     counting.WindowLength
	epoch      counting.Epoch
	parent     counting.Epoch
	change     string
	members    []Member
	losses     []Loss
	// tables are newest first. Pages use the first one. The ids of a window use
	// the first one whose From is not after the window.
	tables []Table
}

// Loss records that a node was abandoned, with its counts, by the ring of an epoch. It
// stays in the ring permanently.
type Loss struct {
	Node  counting.NodeID `json:"node"`
	Epoch counting.Epoch  `json:"epoch"`
}

// Table is the owner of each arc.
type Table struct {
	// Epoch is that of the ring that made it.
	Epoch counting.Epoch
	// From is the first window for whose ids it is valid.
	From counting.Window
	// Continues: the table was made to abandon members while arcs moved between others.
	// These moves go on: the table changes neither their sources nor their owners.
	Continues bool
	owners    *[Arcs]uint16
}

// Owner is the index of the member that owns an arc by the table.
func (t Table) Owner(arc counting.Arc) int { return int(t.owners[arc]) }

// New makes the ring of epoch 1. The members may be in any order. The seed enters every
// hash, so that clients can't choose page names for one node. Its Name is the default.
func New(deployment string, seed uint64, length counting.WindowLength, change string, members []Member) (*Ring, error) {
	r := &Ring{deployment: deployment, name: counting.DefaultName, seed: seed, length: length, epoch: 1, change: change, members: slices.Clone(members)}
	slices.SortFunc(r.members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	for i := range r.members {
		r.members[i].State = Active
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	owners := new([Arcs]uint16) // the first member has them all
	r.balance(owners).give(0)
	r.tables = []Table{{Epoch: 1, From: math.MinInt64, owners: owners}}
	return r, nil
}

// Named is the same ring with another Name, for the first start.
func (r *Ring) Named(name string) (*Ring, error) {
	n := *r
	n.name = name
	return &n, n.check()
}

// check is an error if the members make no valid ring.
func (r *Ring) check() error {
	if err := r.problem(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadChange, err)
	}
	return nil
}

func (r *Ring) problem() error {
	if _, err := counting.ParseLength(time.Duration(r.length)); err != nil {
		return err
	}
	if _, err := counting.ParseName(r.name); err != nil {
		return fmt.Errorf("the name of the deployment: %w", err)
	}
	if !utf8.ValidString(r.deployment) || !utf8.ValidString(r.change) {
		return errors.New("the name of the deployment or the change is not valid UTF-8")
	}
	if len(r.members) > MaxMembers {
		return fmt.Errorf("%d nodes, the most is %d", len(r.members), MaxMembers)
	}
	if len(r.voters()) == 0 {
		return errors.New("no node is left")
	}
	holder := make(map[string]counting.NodeID, len(r.members))
	for i, m := range r.members {
		if err := m.check(); err != nil {
			return err
		}
		switch {
		case i > 0 && m.ID == r.members[i-1].ID:
			return fmt.Errorf("node %s is in it twice", m.ID)
		case i > 0 && m.ID < r.members[i-1].ID:
			return fmt.Errorf("node %s is out of order", m.ID)
		case holder[m.Addr] != "":
			return fmt.Errorf("%s and %s have the same address", holder[m.Addr], m.ID)
		case m.Since < 0 || m.Since > r.epoch:
			return fmt.Errorf("node %s is in it since the epoch %d", m.ID, m.Since)
		case m.Moved < 0 || m.Moved > r.epoch || m.Moved > 0 && m.Moved <= m.Since:
			return fmt.Errorf("node %s has its address since the epoch %d", m.ID, m.Moved)
		}
		holder[m.Addr] = m.ID
	}
	return nil
}

// check is an error if m is no valid member.
func (m Member) check() error {
	switch {
	case m.ID == "" || m.Addr == "":
		return errors.New("a node needs an id and an address")
	case !utf8.ValidString(string(m.ID)) || !utf8.ValidString(m.Addr):
		return fmt.Errorf("the id or the address of node %q is not valid UTF-8", m.ID)
	case m.State == Active && (m.Weight < 1 || m.Weight > MaxWeight):
		return fmt.Errorf("node %s has the weight %d, want 1 to %d", m.ID, m.Weight, MaxWeight)
	case m.State != Active && m.Weight != 0:
		return fmt.Errorf("node %s is %s and has the weight %d", m.ID, m.State, m.Weight)
	case m.State != Active && m.State != Leaving && m.State != Lost:
		return fmt.Errorf("node %s has the state %q", m.ID, m.State)
	}
	return nil
}

// Deployment is the random name of the set of nodes, made at the first start.
func (r *Ring) Deployment() string { return r.deployment }

// Name is what the operator calls the deployment. It begins the ids of its windows.
func (r *Ring) Name() string { return r.name }

// WindowID is the id under which a window is published.
func (r *Ring) WindowID(w counting.Window) string { return r.length.ID(r.name, w) }

// ParseWindowID reads what WindowID has made. The error wraps counting.ErrBadWindow.
func (r *Ring) ParseWindowID(id string) (counting.Window, error) { return r.length.Parse(r.name, id) }

// Length is the length of the deployment's windows.
func (r *Ring) Length() counting.WindowLength { return r.length }

// Epoch is the number of the ring in its deployment, from 1.
func (r *Ring) Epoch() counting.Epoch { return r.epoch }

// Parent is the epoch of the ring that the change began with, 0 for the first ring. A
// node that has opened a later one refuses the change.
func (r *Ring) Parent() counting.Epoch { return r.parent }

// Losses are the losses, oldest first. The caller must not change them.
func (r *Ring) Losses() []Loss { return r.losses }

// ChangeID is the id of the change that made the ring. Rings of one change differ only
// in their epochs (Propose).
func (r *Ring) ChangeID() string { return r.change }

// Members are in ascending order of their ids; the caller must not change them.
func (r *Ring) Members() []Member { return r.members }

// Index is the index of a member, or -1.
func (r *Ring) Index(id counting.NodeID) int {
	i, ok := slices.BinarySearchFunc(r.members, id, byID)
	if !ok {
		return -1
	}
	return i
}

// Since is the epoch that added a member. ok is false if it is no member.
func (r *Ring) Since(id counting.NodeID) (epoch counting.Epoch, ok bool) {
	at := r.Index(id)
	if at < 0 {
		return 0, false
	}
	return r.members[at].Since, true
}

func byID(m Member, id counting.NodeID) int { return cmp.Compare(m.ID, id) }

// Table is the epoch of the newest table. It names the moves to that table.
func (r *Ring) Table() counting.Epoch { return r.tables[0].Epoch }

// Changed is the epoch of the last change that moved arcs, or gave a member another
// address. Undone changes and Tidy don't count.
func (r *Ring) Changed() counting.Epoch {
	last := r.Table()
	for _, m := range r.members {
		last = max(last, m.Moved)
	}
	return last
}

// Admits tells whether a node that stores no ring may open this one: at the first start
// of a deployment, or as the joining member of the change. Any other such node came
// back empty.
func (r *Ring) Admits(id counting.NodeID) bool {
	if r.parent == 0 {
		return r.Index(id) >= 0
	}
	return r.tables[0].Epoch > r.parent && r.IsJoining(id)
}

// IsJoining tells whether a member owns arcs by no table but the newest. If it was
// admitted and has opened no ring yet, it may open this one.
func (r *Ring) IsJoining(id counting.NodeID) bool {
	at := r.Index(id)
	return at >= 0 && !slices.ContainsFunc(r.tables[1:], func(t Table) bool { return slices.Contains(t.owners[:], uint16(at)) })
}

// CanFollow tells whether a node that has opened a table can open this ring next,
// without missing moves.
func (r *Ring) CanFollow(table counting.Epoch) bool {
	return r.tables[0].Epoch == table || len(r.tables) > 1 && r.tables[1].Epoch == table
}
