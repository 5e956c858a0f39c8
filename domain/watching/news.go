// Package watching says what those are shown who watch a deployment while it
// counts.
package watching

import (
	"errors"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// ErrFull says that as many watch as may, or as many pages are watched.
var ErrFull = errors.New("no more can be watched")

// Page is a watched page with what is known of it.
type Page struct {
	Page counting.Page
	counting.Reading
}

// Node is a node of the ring as everybody may see it.
type Node struct {
	ID counting.NodeID
	// Share of the pages that the ring gives it, 0 to 1.
	Share float64
	// Answers: it answered when it was asked last.
	Answers bool
}

// News is what changed since a watcher was told the last time. It holds values
// as they are now, never what they were in between.
type News struct {
	// ID names the state that a watcher knows who has seen this and all
	// news before it.
	ID string
	// Pages of the watcher that changed, in his order.
	Pages []Page
	// Windows that changed, newest first.
	Windows []publishing.Summary
	// WindowsErr is set when the windows can't be read any more. All of them
	// come again when they can.
	WindowsErr error
	// Nodes are all nodes, when something about one changed.
	Nodes []Node
}

// Empty tells whether there is nothing new.
func (n *News) Empty() bool {
	return len(n.Pages) == 0 && len(n.Windows) == 0 && n.WindowsErr == nil && len(n.Nodes) == 0
}
