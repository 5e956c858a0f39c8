package cluster

import (
	"errors"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// Refusal explains an error by which a node refuses every call of this instance, until an
// operator acts: its store is not the one that the instance knows (docs: guarantees,
// "identity of a store"). reason is one of counting.Refusals and text is for an operator;
// both are empty for other errors.
func Refusal(err error) (reason, text string) {
	var other *counting.DeploymentError
	var format *counting.FormatError
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return counting.RefusedEmpty, "the store is empty: it was emptied or replaced"
	case errors.As(err, &other):
		return counting.RefusedOtherDeployment, fmt.Sprintf("the store belongs to another deployment (%s, not %s): "+
			"correct FOOTFALL_STORE; if all nodes belong to that one, restart this instance to join it", other.Of, other.Meant)
	case errors.Is(err, counting.ErrWrongNode):
		return counting.RefusedOtherNode, "the store belongs to another node: correct FOOTFALL_STORE"
	case errors.As(err, &format):
		return counting.RefusedNewerFormat, format.Error()
	case errors.Is(err, counting.ErrReplaced):
		return counting.RefusedReplaced, "the file of the store was removed or replaced: stop, restore it, and start again"
	}
	return "", ""
}

// refusal is why a node answers no call, and since when that is known.
type refusal struct {
	text  string
	since time.Time
}

// noteRefusal logs an error when a node begins to refuse every call, or for another
// reason, and a line when it takes calls again. err is that of a call of the node.
func (c *Cluster) noteRefusal(m *Member, err error) {
	reason, text := Refusal(err)
	if err != nil && reason == "" {
		return // it says nothing about the store
	}
	before := m.refusal.Load()
	if before == nil && text == "" || before != nil && before.text == text {
		return
	}
	if reason != "" {
		m.refusal.Store(&refusal{text: text, since: time.Now()})
		c.opts.Log.Error("node refuses all calls", "node", m.ID(), "reason", reason, "why", text)
	} else {
		m.refusal.Store(nil)
		c.opts.Log.Info("node takes calls again", "node", m.ID())
	}
}
