package publishing

import (
	"crypto/sha256"
	"time"
)

// When Pauses pauses something, and for how long.
const (
	// PauseAfter is how long something fails before it is paused.
	PauseAfter = 2 * time.Minute
	// pauseFailures is how many failures in a row it needs besides.
	pauseFailures = 5
	// MaxPause is the longest pause.
	MaxPause = time.Hour
	// GoneFor is how long an endpoint is left alone that answered 410.
	GoneFor = 24 * time.Hour
	// maxPauseJitter is the part of a pause by which it is shorter at most.
	maxPauseJitter = 0.25
	// MaxPauses is how many names are remembered at most.
	MaxPauses = 1 << 15
)

// Pauses remembers which endpoints and addresses fail, by name. What fails for
// PauseAfter, five times in a row at least, is paused for as long as it has failed:
// so each pause is about twice the one before, up to MaxPause. After a pause, one more
// failure begins the next one. One success ends it.
//
// It remembers MaxPauses names. Those that were not used for longest are forgotten,
// and are called as if nothing were known. A Pauses is not safe for concurrent use.
type Pauses struct{ young, old map[[sha256.Size]byte]failing }

// failing is what is known of a name that failed last.
type failing struct {
	failures int
	since    time.Time // the first of the failures in a row
	until    time.Time // the end of the pause; zero without one
}

// NewPauses remembers nothing.
func NewPauses() *Pauses {
	return &Pauses{young: make(map[[sha256.Size]byte]failing)}
}

// Until returns when the pause of a name ends, and false if it has none.
func (p *Pauses) Until(name string, now time.Time) (time.Time, bool) {
	f := p.get(sha256.Sum256([]byte(name)))
	return f.until, now.Before(f.until)
}

// Failed notes a failure of a name. It returns the end of the pause that it begins, and
// false if it begins none. jitter is from 0 up to 1.
func (p *Pauses) Failed(name string, now time.Time, jitter float64) (time.Time, bool) {
	key := sha256.Sum256([]byte(name))
	f := p.get(key)
	if f.failures == 0 {
		f.since = now
	}
	f.failures++
	long := now.Sub(f.since)
	begins := f.failures >= pauseFailures && long >= PauseAfter && !now.Before(f.until)
	if begins {
		f.until = now.Add(time.Duration(float64(min(long, MaxPause)) * (1 - jitter*maxPauseJitter)))
	}
	p.put(key, f)
	return f.until, begins
}

// Gone pauses an endpoint that answered 410 for GoneFor.
func (p *Pauses) Gone(name string, now time.Time) {
	p.put(sha256.Sum256([]byte(name)), failing{failures: pauseFailures, since: now, until: now.Add(GoneFor)})
}

// Succeeded forgets the failures of a name.
func (p *Pauses) Succeeded(name string) {
	key := sha256.Sum256([]byte(name))
	delete(p.young, key)
	delete(p.old, key)
}

// Paused is how many names have a pause.
func (p *Pauses) Paused(now time.Time) (n int) {
	for key, f := range p.young {
		if now.Before(f.until) {
			n++
		}
		delete(p.old, key) // it is in young, too
	}
	for _, f := range p.old {
		if now.Before(f.until) {
			n++
		}
	}
	return n
}

func (p *Pauses) get(key [sha256.Size]byte) failing {
	f, ok := p.young[key]
	if !ok {
		f, ok = p.old[key]
		if ok {
			p.put(key, f)
		}
	}
	return f
}

// put makes the name the one that was used last. The older half of the names is
// forgotten when the younger half is full.
func (p *Pauses) put(key [sha256.Size]byte, f failing) {
	if len(p.young) >= MaxPauses/2 {
		p.old, p.young = p.young, make(map[[sha256.Size]byte]failing)
	}
	p.young[key] = f
}
