package chaos

import (
	"context"
	"errors"
	"sync"
)

// Errors of calls that a model makes fail.
var (
	ErrCut  = errors.New("connection cut")
	ErrDead = errors.New("this instance is dead")
)

// Process is what an instance of the service runs in: it may be frozen, and it may
// crash.
type Process struct {
	Frozen Gate          // what passes it goes on; closed, the process stands still
	Dead   chan struct{} // closed when it has crashed
	crash  sync.Once
}

// NewProcess is one that is alive.
func NewProcess() *Process { return &Process{Dead: make(chan struct{})} }

// Die ends all calls of the process, and then cleans up, the first time.
func (p *Process) Die(clean func()) {
	p.crash.Do(func() {
		close(p.Dead)
		clean()
	})
}

// IsDead tells whether the process has crashed.
func (p *Process) IsDead() bool {
	select {
	case <-p.Dead:
		return true
	default:
		return false
	}
}

// IsFrozen tells whether the process stands still.
func (p *Process) IsFrozen() bool { return p.Frozen.IsClosed() }

// Call makes a call that travels in a goroutine of its own, one of travels, and goes
// on when the caller is gone.
func (p *Process) Call(ctx context.Context, travels *sync.WaitGroup, travel func() (any, error)) (any, error) {
	if !p.Frozen.Pass(p.Dead) {
		return nil, ErrDead
	}
	type answer struct {
		value any
		err   error
	}
	answers := make(chan answer, 1)
	travels.Go(func() {
		v, err := travel()
		answers <- answer{v, err}
	})
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-p.Dead:
	}
	if !p.Frozen.Pass(p.Dead) {
		return nil, ErrDead
	}
	select {
	case a = <-answers: // it came in time, while the process was frozen, so it wins over the deadline
	default:
	}
	return a.value, a.err
}
