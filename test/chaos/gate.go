package chaos

import "sync"

// Gate holds every caller of Pass while it is closed. It is open at first.
type Gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when the gate opens; nil while it is open
}

// Close closes the gate.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

// Open lets all callers go on.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// Pass returns when the gate is open, or with false when over is closed.
func (g *Gate) Pass(over <-chan struct{}) bool {
	for {
		select {
		case <-over:
			return false
		default:
		}
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut == nil {
			return true
		}
		select {
		case <-shut:
		case <-over:
			return false
		}
	}
}

// IsClosed tells whether callers are held.
func (g *Gate) IsClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut != nil
}
