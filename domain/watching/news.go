// Package watching defines what watchers of a deployment receive.
package watching

import (
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Page is a watched page with its last reading.
type Page struct {
	Page counting.Page
	counting.Reading
}

// Node is a node of the ring without its address.
type Node struct {
	ID counting.NodeID `json:"id"`
	// Host is the server that had it last, if other software moves it between servers
	// (sharding.Hosted); empty if none is known.
	Host counting.NodeID `json:"host,omitempty"`
	// Share is the part of the pages that it owns, 0 to 1.
	Share float64 `json:"share"`
	// Answers: it answered the last time.
	Answers bool `json:"answers"`
	// Why it refuses every call; empty if it answers, or says nothing.
	Why string `json:"-"`
	// Silent is why no answer came, without addresses: connection refused; connected, but no
	// answer in time. It is empty if it answers, or that is not known.
	Silent string `json:"-"`
	// Skew is how far its clock was ahead of this instance's at the last heartbeat,
	// negative if it was behind; 0 unless that is too much, so that it takes no ids.
	Skew time.Duration `json:"-"`
	// Since is when the node ceased to serve calls or writes, and SkewSince when its clock
	// was first seen to be wrong, by this instance's clock; zero if that is not known.
	Since, SkewSince time.Time `json:"-"`
	// Full are the bounds that it has reached, comma separated, of counting.Bounds: it
	// takes no other pages or keys.
	Full string `json:"-"`
	// Says is what its store has said in refusing the last batch or call, without
	// addresses; empty if it works.
	Says string `json:"-"`
}

// News is what changed since a watcher's last News. It has current values; values in
// between are skipped.
type News struct {
	// ID names the state of a watcher that has received this and all News before.
	ID string
	// Pages are the watched pages that changed, in the order of the watcher.
	Pages []Page
	// Windows that changed, newest first.
	Windows []publishing.Summary
	// WindowsErr is set when the windows become unreadable. When they are readable
	// again, all of them are sent.
	WindowsErr error
	// Nodes are all nodes, if one of them changed.
	Nodes []Node
}

// Empty tells whether nothing changed.
func (n *News) Empty() bool {
	return len(n.Pages) == 0 && len(n.Windows) == 0 && n.WindowsErr == nil && len(n.Nodes) == 0
}
