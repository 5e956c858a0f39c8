package brokerlink_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// errDown is a server that is not there, and errOther one that refuses links.
var (
	errDown  = errors.Join(brokerlink.ErrNotReached, errors.New("connection refused"))
	errOther = errors.New("log in: refused")
)

// world has the servers of a test, in memory. All tests run on a virtual clock.
type world struct {
	mu    sync.Mutex
	set   settings
	tried []attempt
	links []*link // that were opened
}

// settings are what a test changes, by change.
type settings struct {
	down         map[string]error // why a server has no link
	slow, closes time.Duration    // how long each opening and each closing takes
	sends        func(ctx context.Context, r publishing.Report) brokerlink.Outcome
}

func (w *world) now() settings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set
}

func (w *world) change(how func(*settings)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how(&w.set)
}

// mend and fail change whether a server has links.
func (w *world) mend(addr string) { w.fail(addr, nil) }

func (w *world) fail(addr string, why error) {
	w.change(func(s *settings) {
		s.down = maps.Clone(s.down)
		s.down[addr] = why
	})
}

type attempt struct {
	addr string
	at   time.Time
}

// link is one that lose loses.
type link struct {
	*world
	addr   string
	lost   chan error
	over   chan struct{} // closed when Wait has ended
	closed chan struct{}
}

func (w *world) open(ctx context.Context, addr string) (brokerlink.Link, []any, error) {
	select {
	case <-time.After(w.now().slow):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried = append(w.tried, attempt{addr, time.Now()})
	if err := w.set.down[addr]; err != nil {
		return nil, nil, err
	}
	l := &link{world: w, addr: addr, lost: make(chan error, 1), over: make(chan struct{}), closed: make(chan struct{})}
	w.links = append(w.links, l)
	return l, []any{"link", len(w.links)}, nil
}

func (l *link) Publish(ctx context.Context, r publishing.Report) brokerlink.Outcome {
	select {
	case <-l.over:
		return brokerlink.Outcome{Err: errors.New("sent over a link that is lost")}
	default:
	}
	if sends := l.now().sends; sends != nil {
		return sends(ctx, r)
	}
	return brokerlink.Outcome{}
}

func (l *link) Wait(ctx context.Context) error {
	defer close(l.over)
	select {
	case err := <-l.lost:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (l *link) Close() {
	time.Sleep(l.now().closes)
	close(l.closed) // panics the second time
}

// lose ends the newest link.
func (w *world) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[len(w.links)-1].lost <- err
}

// opened is how many links were opened, and open how many of them are not closed.
func (w *world) opened() (all, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.links {
		select {
		case <-l.closed:
		default:
			open++
		}
	}
	return len(w.links), open
}

// times are those of the attempts that were made since then.
func (w *world) times(since time.Time) (all []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.tried {
		if a.at.After(since) {
			all = append(all, a.at)
		}
	}
	return all
}

// attempts are the servers that were tried, in order.
func (w *world) attempts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, a := range w.tried {
		all = append(all, a.addr)
	}
	return strings.Join(all, " ")
}

// start starts a publisher to servers of a world.
func start(t *testing.T, s settings, addrs ...string) (*world, *brokerlink.Publisher, *check.Log) {
	t.Helper()
	if s.down == nil {
		s.down = make(map[string]error)
	}
	w, log := &world{set: s}, &check.Log{}
	p := brokerlink.New(brokerlink.Options{
		Name: "broker", Title: "the broker", About: []any{"queue", "q"}, Addrs: addrs, Open: w.open,
	}, slog.New(slog.NewTextHandler(log, nil)))
	check.Must(t, p.Start(t.Context()))
	t.Cleanup(func() { check.OK(t, p.Stop(context.Background())) })
	return w, p, log
}

func report(id string) publishing.Report { return publishing.Report{ID: id} }

// after runs a call and returns how long it took.
func after(call func() error) (time.Duration, error) {
	began := time.Now()
	err := call()
	return time.Since(began), err
}

// publish gives a report 10 s.
func publish(t *testing.T, p *brokerlink.Publisher) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Publish(ctx, report("a"))
}

func mustRefuse(t *testing.T, err error, parts ...string) {
	t.Helper()
	check.Is(t, err, publishing.ErrRefused, "a report that is refused")
	check.Says(t, err, parts...)
}
