package memory

import "footfall/domain/counting"

// SpoilPage puts something under a page that is no count.
func (n *Node) SpoilPage(at counting.Located) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state.counts[at.Arc] == nil {
		n.state.counts[at.Arc] = make(map[counting.Page]int64)
	}
	n.state.counts[at.Arc][at.Page] = -1
}

// SpoilWindow puts something under the ids of a window that is no set.
func (n *Node) SpoilWindow(w counting.Window) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.windows[w] = &window{}
}

// SpoilEntry puts something in the place of the entry of a window.
func (n *Node) SpoilEntry(w counting.Window) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.entries[w] = &entry{LedgerEntry: counting.LedgerEntry{Changed: n.now()}}
}
