package servers

import "bytes"

// HoldRequests holds back the next bytes of a client that have the text in them, and all that any client sends from then on. The
// server never receives them: when a client ends, the server notices the end of its connection. The channel is closed when the text has come.
func (p *Proxy) HoldRequests(text string) (happened <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = &cut{with: []byte(text), done: make(chan struct{})}
	return p.hold.done
}

func (p *Proxy) holds(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold == nil {
		return false
	}
	select {
	case <-p.hold.done:
		return true
	default:
	}
	if !bytes.Contains(b, p.hold.with) {
		return false
	}
	close(p.hold.done)
	return true
}
