package brokerlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// firstPause and longestPause bound the pause between attempts to open a link.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

var _ publishing.Publisher = (*Publisher)(nil)

// Publisher sends reports over one link, one by one, and opens another one when that is lost. It
// is safe for concurrent use.
//
// While the server is known to be away, reports are refused immediately, with the reason. They
// wait while that is not known: before the first attempt to connect has ended, and after the
// loss of a link whose server may be there. Attempts go on without end, with pauses that double
// from 0.2 to 5 s. Each tries all servers, and begins with the one after the last that was used.
type Publisher struct {
	o       Options
	log     *slog.Logger
	turn    chan struct{}   // has the place of the report that is being sent
	stopped context.Context //nolint:containedctx // ends at Stop
	start   func()          // starts the supervisor, once
	stop    context.CancelFunc
	ended   chan struct{} // closed when the supervisor has ended

	mu      sync.Mutex
	started bool
	// use is nil while there is no link. Then err is why, and nil as long as that is not known.
	use     *use
	err     error
	changed chan struct{}      // closed when use or err are set
	away    *publishing.Outage // nil while reports are taken, and before that is known
	logged  string             // the reason of away that was logged
}

// use is a link while reports may be sent over it. end ends that, with the reason.
type use struct {
	link Link
	end  context.CancelCauseFunc
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	ctx, stop := context.WithCancel(context.Background())
	p := &Publisher{
		o: o, log: log, turn: make(chan struct{}, 1), stopped: ctx, stop: stop, ended: make(chan struct{}),
		err: errors.New("it was not started"), changed: make(chan struct{}),
	}
	p.start = sync.OnceFunc(func() {
		p.mu.Lock()
		p.started = true
		p.mu.Unlock()
		p.set(nil, nil)
		go p.supervise()
	})
	return p
}

// Start begins to connect and returns immediately. The service starts without a server as well.
func (p *Publisher) Start(context.Context) error {
	p.start()
	return nil
}

// Stop closes the link, which ends a Publish that is in progress. Later reports are refused, also
// after another Start. It may be called twice, and without Start. It returns when the link is
// closed, or with an error when ctx ends.
func (p *Publisher) Stop(ctx context.Context) error {
	p.stop()
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	if !started {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", p.o.Name, ctx.Err())
	}
}

// Name returns that of the options.
func (p *Publisher) Name() string { return p.o.Name }

// Publish sends the report and waits for its outcome until ctx ends.
//
// Errors: one that wraps publishing.ErrRefused when the server is away, or has not taken the
// report for certain. Any other error means that the server may have it.
func (p *Publisher) Publish(ctx context.Context, r publishing.Report) error {
	if err := ctx.Err(); err != nil {
		return p.refused(err)
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return p.refused(ctx.Err())
	}
	u, err := p.linked(ctx)
	if err != nil {
		return p.refused(err)
	}
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.stopped, cancel)()
	out := u.link.Publish(sending, r)
	switch {
	case out.Err == nil:
		p.noteBack()
		return nil
	case out.Over:
		p.drop(u, out.Err)
	case !out.InDoubt && !errors.Is(out.Err, context.Canceled): // which is the caller's matter
		p.noteAway(out.Err)
	}
	if out.InDoubt {
		return fmt.Errorf("%s: in doubt: %w", p.o.Name, out.Err)
	}
	return p.refused(out.Err)
}

// linked returns the link. It waits for one as long as it is not known that there is none.
func (p *Publisher) linked(ctx context.Context) (*use, error) {
	for {
		p.mu.Lock()
		u, err, changed := p.use, p.err, p.changed
		p.mu.Unlock()
		if u != nil || err != nil {
			return u, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drop ends the use of a link, so that the next report waits for another one.
func (p *Publisher) drop(u *use, reason error) {
	p.mu.Lock()
	inUse := p.use == u
	if inUse {
		p.use = nil
	}
	p.mu.Unlock()
	if inUse { // else the supervisor knows why it was lost
		p.noteAway(reason)
	}
	u.end(reason)
}

// set sets the link, or why there is none.
func (p *Publisher) set(u *use, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLocked(u, err)
}

func (p *Publisher) setLocked(u *use, err error) {
	p.use, p.err = u, err
	close(p.changed)
	p.changed = make(chan struct{})
}

// supervise opens links, one after the other, until Stop.
func (p *Publisher) supervise() {
	defer close(p.ended)
	defer func() { p.set(nil, errors.New("it was stopped")) }()
	begin := 0 // the server that the next attempt begins with
	for pause := firstPause; p.stopped.Err() == nil; pause = min(2*pause, longestPause) {
		at, l, more, err := p.open(begin)
		known := err
		if err == nil {
			p.noteBack()
			p.log.Info(p.o.Title+" is connected", p.about(append([]any{"addr", p.o.Addrs[at]}, more...)...)...) //nolint:sloglint // constant for each adapter
			began := time.Now()
			err = p.serve(l)
			if known = nil; errors.Is(err, ErrNotReached) {
				known = err
			}
			begin = (at + 1) % len(p.o.Addrs) // another one may be in a better state
			if time.Since(began) > longestPause {
				pause = firstPause // a link that is lost immediately is no success
			}
		}
		if p.stopped.Err() != nil {
			return
		}
		p.noteLoss(err, known)
		select {
		case <-p.stopped.Done():
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// open opens a link to the first server that can be used, beginning with one of the list. The
// error has the reason for each.
func (p *Publisher) open(begin int) (at int, l Link, more []any, all error) {
	for i := range p.o.Addrs {
		at = (begin + i) % len(p.o.Addrs)
		l, more, err := p.o.Open(p.stopped, p.o.Addrs[at])
		switch {
		case err == nil:
			return at, l, more, nil
		case len(p.o.Addrs) == 1:
			return at, nil, nil, err
		case all == nil:
			all = fmt.Errorf("%s: %w", p.o.Addrs[at], err)
		default:
			all = fmt.Errorf("%w; %s: %w", all, p.o.Addrs[at], err)
		}
	}
	return at, nil, nil, all
}

// serve offers a link to reports until it is lost, and returns why.
func (p *Publisher) serve(l Link) error {
	using, end := context.WithCancelCause(p.stopped)
	defer end(nil)
	p.set(&use{l, end}, nil)
	err := l.Wait(using)
	if using.Err() != nil { // by a report, which knows why
		err = context.Cause(using)
	}
	p.set(nil, nil)
	l.Close()
	return err
}

// refused is an error that wraps publishing.ErrRefused. It says so, unless no server was
// reached.
func (p *Publisher) refused(err error) error {
	if errors.Is(err, ErrNotReached) {
		return counting.Mark(fmt.Errorf("%s: %w", p.o.Name, err), publishing.ErrRefused)
	}
	return fmt.Errorf("%w: %s: %w", publishing.ErrRefused, p.o.Name, err)
}
