package limits

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// linePause is the least time between two lines of the log about one bound.
const linePause = time.Minute

// Refusals notes what bounds refuse: it counts all, and logs at most one line a minute for
// each bound of a resource. A nil one does nothing. It is safe for concurrent use.
type Refusals struct {
	count func(resource, bound string)
	log   *slog.Logger

	mu    sync.Mutex
	lines map[[2]string]*line
}

// line is what the next line of the log has to say.
type line struct {
	last    time.Time // when there was one
	refused int       // since then
}

// NewRefusals returns one that calls count for each refusal.
func NewRefusals(count func(resource, bound string), log *slog.Logger) *Refusals {
	return &Refusals{count: count, log: log, lines: make(map[[2]string]*line)}
}

// Note notes that the bound of a resource has refused a client.
func (r *Refusals) Note(resource, bound string, client netip.Prefix) {
	if r == nil {
		return
	}
	r.count(resource, bound)
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lines[[2]string{resource, bound}]
	if l == nil {
		l = &line{}
		r.lines[[2]string{resource, bound}] = l
	}
	l.refused++
	if time.Since(l.last) < linePause {
		return
	}
	r.log.Warn("a bound was reached, and more is refused", "resource", resource, "bound", bound, "client", client, "refused", l.refused)
	*l = line{last: time.Now()}
}
