package uniques

import (
	"crypto/sha256"
	"net/netip"
	"sync"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// shares bounds the new endpoints of a window that one client names, and those at one
// host. An endpoint that any client has named in the window is not new. It remembers the
// endpoints that nodes keep of one window. It is safe for concurrent use.
type shares struct {
	most int // 0 is no bound

	mu      sync.Mutex
	window  counting.Window
	named   map[[sha256.Size]byte]bool
	clients map[netip.Prefix]int
	hosts   map[string]int
}

// The bounds that refuse an endpoint.
const (
	BoundClient = "client"
	BoundHost   = "host"
	BoundTotal  = "total" // of a window at a node
)

// take counts an endpoint for a client and a host. Otherwise it returns the bound that
// refuses it. isNew: back must follow if the endpoint is not kept.
func (s *shares) take(w counting.Window, client netip.Prefix, e publishing.Endpoint) (isNew bool, bound string) {
	if s.most == 0 {
		return false, ""
	}
	key, host := sha256.Sum256([]byte(e)), e.Target()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.named == nil || w != s.window {
		s.window = w
		s.named, s.clients, s.hosts = make(map[[sha256.Size]byte]bool), make(map[netip.Prefix]int), make(map[string]int)
	}
	switch {
	case s.named[key]:
		return false, ""
	case s.clients[client] >= s.most:
		return false, BoundClient
	case s.hosts[host] >= s.most:
		return false, BoundHost
	}
	s.named[key] = true
	s.clients[client]++
	s.hosts[host]++
	return true, ""
}

// back undoes a take, if the window has not ended since.
func (s *shares) back(w counting.Window, client netip.Prefix, e publishing.Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w != s.window {
		return
	}
	delete(s.named, sha256.Sum256([]byte(e)))
	giveBack(s.clients, client)
	giveBack(s.hosts, e.Target())
}

func giveBack[K comparable](taken map[K]int, by K) {
	if taken[by]--; taken[by] <= 0 {
		delete(taken, by)
	}
}
