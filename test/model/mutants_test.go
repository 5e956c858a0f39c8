package model_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// mutant is a defect that the model must find.
type mutant struct {
	atNode   func(cluster.Node, *clock) cluster.Node
	atClient func(cluster.Node) cluster.Node
	// text, where there is one, is replaced by the other in everything that is
	// sent to a Redis server, scripts above all.
	text, other string
}

func (m mutant) node(n cluster.Node, c *clock) cluster.Node {
	if m.atNode == nil {
		return n
	}
	return m.atNode(n, c)
}

func (m mutant) client(n cluster.Node) cluster.Node {
	if m.atClient == nil {
		return n
	}
	return m.atClient(n)
}

// defect is a mutant, the plan that shows it, and the promise that it breaks.
type defect struct {
	name, promise string
	plan          func() plan
	mutant        mutant
}

func forgetful(n cluster.Node, _ *clock) cluster.Node { return &chaos.Forgetful{Node: n} }

func lenient(n cluster.Node, _ *clock) cluster.Node { return chaos.Lenient{Node: n} }

func confident(n cluster.Node) cluster.Node { return chaos.Confident{Node: n} }

func defects() []defect {
	return []defect{
		{"a node without a memory of batches", "P2", storm, mutant{atNode: forgetful}},
		{"a duplicate is answered without its refusals", "P1", storm, mutant{atNode: lenient}},
		{"an overflow leaves the earlier items applied and no mark", "P2", storm, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node { return &torn{Node: n} }}},
		{"a batch in doubt is taken for one not applied", "P2", storm, mutant{atClient: confident}},
		{"ids go to a sealed window", "P6", backwards, mutant{atNode: func(n cluster.Node, c *clock) cluster.Node { return &unsealed{Node: n, clock: c, sealed: -1 << 62} }}},
		{"a window is sealed before the clock says so", "P5", storm, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node { return hasty{n} }}},
		{"a count is taken afresh and not the recorded one", "P5: footfall", hesitation, mutant{atNode: func(n cluster.Node, c *clock) cluster.Node { return recounting{n, c} }}},
		{"a window is retired before it is published", "P5", storm, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node { return retiring{n} }}},
		{"what came of an attempt is not kept", "P7", storm, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node { return careless{n} }}},
		{"a window is counted and not frozen", "P6", backwards, mutant{atNode: func(n cluster.Node, c *clock) cluster.Node { return unfrozen{n, c} }}},
		{"a claim that was taken over is as good as the newest", "P7", absence, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node {
			return &tokenless{Node: n, newest: make(map[counting.Window]string)}
		}}},
		{"clocks may differ by any time", "P3", leaps, seeing(allCalls, func(c counting.Clock, _ time.Time) counting.Clock {
			return counting.Clock{Now: c.Now, MaxSkew: math.MaxInt64}
		})},
		{"a node's clock may be ahead by any time", "P3", leaps, seeing(allCalls, func(c counting.Clock, node time.Time) counting.Clock {
			if node.After(c.Now) {
				c.Now = node
			}
			return c
		})},
		{"a window is sealed by the clock of the node alone", "P3", leaps, seeing("seal", func(c counting.Clock, node time.Time) counting.Clock {
			return counting.Clock{Now: node, MaxSkew: c.MaxSkew}
		})},
		{"the clock of the instance alone is trusted", "P", leaps, mutant{atNode: believing}},
		{"reads don't carry the session", "P3", amnesia, mutant{atClient: func(n cluster.Node) cluster.Node { return trusting{n} }}},
		{"a node hides what it lost", "P1", amnesia, mutant{atNode: func(n cluster.Node, _ *clock) cluster.Node { return &hiding{Node: n} }}},
	}
}

func redisDefects() []defect {
	return []defect{
		{"a node without a memory of batches", "P", drizzle, mutant{atNode: forgetful}},
		{"a duplicate is answered without its refusals", "P", drizzle, mutant{atNode: lenient}},
		{"a batch in doubt is taken for one not applied", "P", drizzle, mutant{atClient: confident}},
		{"a key that is kept is not seen", "P", drizzle, mutant{text: "if print then return print end", other: "if print then return       end"}},
		{"a script that breaks off where an item can't be applied", "P", drizzle, mutant{text: "redis.pcall", other: "redis.call "}},
	}
}

// Each defect breaks a promise that the model checks, within a few runs.
func TestEveryDefectIsFound(t *testing.T) {
	for _, c := range defects() {
		t.Run(c.name, func(t *testing.T) { c.find(t, 100) }) // some need a coincidence
	}
}

func TestEveryDefectIsFoundOnRedis(t *testing.T) {
	t.Parallel()
	for _, c := range redisDefects() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.find(t, 30) // on a busy machine a run has fewer calls
		})
	}
}

// find fails the test unless one of some runs shows the broken promise. That
// an instance does not stop shows nothing: its batches are in doubt.
func (c defect) find(t *testing.T, tries int) {
	t.Helper()
	shows := func(v string) bool { return strings.HasPrefix(v, c.promise) && !strings.HasPrefix(v, "P10") }
	chaos.Find(t, tries, shows, func(try int) chaos.Result {
		w := runOnce(t, try, c.plan(), c.mutant)
		if c.mutant.text != "" && !slices.ContainsFunc(w.servers, func(s server) bool { return s.(*redisServer).proxy.Rewrites() > 0 }) {
			t.Fatalf("no script contains %q: the defect is not built in", c.mutant.text)
		}
		return w.result()
	})
}

// torn breaks off at an item that it can't apply, as a script does that uses
// call where pcall is meant.
type torn struct {
	cluster.Node
	mu    sync.Mutex
	calls int
}

func (t *torn) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, v := range b.Visits {
		tallies, err := t.Read(ctx, counting.Expected{Epoch: b.Epoch}, []counting.Located{{Arc: v.Arc, Page: v.Page}})
		if err != nil {
			return counting.Receipt{}, err
		}
		if _, ok := counting.AddChecked(tallies[0].Visits, v.Count); !ok {
			t.calls++
			part := chaos.Fresh(b, t.calls)
			part.Visits, part.IDEvents = b.Visits[:i], nil
			_, _ = t.Node.Apply(ctx, part)
			return counting.Receipt{}, errors.New("increment would overflow")
		}
	}
	return t.Node.Apply(ctx, b)
}

// unsealed adds ids to the window of its clock, which is not counted again
// once it is sealed.
type unsealed struct {
	cluster.Node
	clock  *clock
	mu     sync.Mutex
	sealed counting.Window
}

func (u *unsealed) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	n, err := u.Node.Seal(ctx, w, grace, c)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.sealed = max(u.sealed, w)
	}
	return n, err
}

func (u *unsealed) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if counting.WindowLength(inMemoryTime.window).At(u.clock.now()) <= u.sealed {
		c := *b
		c.IDEvents = nil
		b = &c
	}
	return u.Node.Apply(ctx, b)
}

// hasty seals whatever it is asked to.
type hasty struct{ cluster.Node }

func (h hasty) Seal(ctx context.Context, w counting.Window, _ time.Duration, c counting.Clock) (int64, error) {
	return h.Node.Seal(ctx, w, -24*time.Hour, c)
}

// recounting freezes nothing: a closer that comes again counts again, and
// publishes what it counted.
type recounting struct {
	cluster.Node
	clock *clock
}

func (r recounting) Seal(ctx context.Context, w counting.Window, grace time.Duration, _ counting.Clock) (int64, error) {
	if r.clock.now().Before(counting.WindowLength(inMemoryTime.window).End(w).Add(grace)) {
		return 0, counting.ErrTooEarly
	}
	return r.Distinct(ctx, w)
}

func (r recounting) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	token, e, err := r.Node.Claim(ctx, w, owner, lease)
	if token != "" {
		e.State = counting.Open
	}
	return token, e, err
}

func (r recounting) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	e, err := r.Node.Advance(ctx, w, token, s)
	if s.Action == counting.ActionRecord {
		e.Count = s.Count
	}
	return e, err
}

// unfrozen counts a window and lets ids go to it all the same; the number
// that was recorded stays.
type unfrozen struct {
	cluster.Node
	clock *clock
}

func (u unfrozen) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	return recounting(u).Seal(ctx, w, grace, c)
}

// tokenless takes changes from any instance that has once claimed a window.
type tokenless struct {
	cluster.Node
	mu     sync.Mutex
	newest map[counting.Window]string
}

func (t *tokenless) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	token, e, err := t.Node.Claim(ctx, w, owner, lease)
	if token != "" {
		t.newest[w] = token
	}
	return token, e, err
}

func (t *tokenless) token(w counting.Window) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest[w]
}

func (t *tokenless) Advance(ctx context.Context, w counting.Window, _ string, s counting.Step) (counting.Entry, error) {
	return t.Node.Advance(ctx, w, t.token(w), s)
}

// retiring forgets that a window waits as soon as it is sealed.
type retiring struct{ cluster.Node }

func (r retiring) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	n, err := r.Node.Seal(ctx, w, grace, c)
	if err == nil {
		err = r.Retire(ctx, w)
	}
	return n, err
}

const allCalls = ""

// seeing is a node that compares its clock with another one than the caller's, in one
// kind of calls or in all.
func seeing(method string, other func(c counting.Clock, node time.Time) counting.Clock) mutant {
	return mutant{atNode: func(n cluster.Node, own *clock) cluster.Node {
		return &reading{n, func(m string, c counting.Clock, do func(counting.Clock)) {
			if method == allCalls || m == method {
				c = other(c, own.now())
			}
			do(c)
		}}
	}}
}

// believing is a node that takes the caller's clock for its own.
func believing(n cluster.Node, own *clock) cluster.Node {
	return &reading{n, func(_ string, c counting.Clock, do func(counting.Clock)) {
		if !c.Now.IsZero() {
			own.mu.Lock()
			before := own.offset
			own.mu.Unlock()
			own.step(c.Now.Sub(own.world.now()))
			defer own.step(before)
		}
		do(c)
	}}
}

// reading is a node with something around the calls that have a clock.
type reading struct {
	cluster.Node
	around func(method string, c counting.Clock, do func(counting.Clock))
}

func (r *reading) Apply(ctx context.Context, b *counting.Batch) (receipt counting.Receipt, err error) {
	r.around("apply", b.Clock, func(c counting.Clock) {
		sent := *b
		sent.Clock = c
		receipt, err = r.Node.Apply(ctx, &sent)
	})
	return receipt, err
}

func (r *reading) Heartbeat(ctx context.Context, c counting.Clock) (a counting.HeartbeatResult, err error) {
	r.around("heartbeat", c, func(c counting.Clock) { a, err = r.Node.Heartbeat(ctx, c) })
	return a, err
}

func (r *reading) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (n int64, err error) {
	r.around("seal", c, func(c counting.Clock) { n, err = r.Node.Seal(ctx, w, grace, c) })
	return n, err
}

// careless keeps no results of callbacks.
type careless struct{ cluster.Node }

func (c careless) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	if s.Action == counting.ActionDelivery {
		return counting.Entry{}, nil
	}
	return c.Node.Advance(ctx, w, token, s)
}

// trusting expects nothing of a node that it reads.
type trusting struct{ cluster.Node }

func (t trusting) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	return t.Node.Read(ctx, counting.Expected{Epoch: e.Epoch}, pages)
}

// hiding fills a gap with empty batches rather than telling of it.
type hiding struct {
	cluster.Node
	mu sync.Mutex
}

func (h *hiding) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.Node.Apply(ctx, b)
	var gap *counting.GapError
	if !errors.As(err, &gap) {
		return r, err
	}
	for seq := gap.Last + 1; seq < b.Seq; seq++ {
		empty := &counting.Batch{Epoch: b.Epoch, Session: b.Session, Seq: seq}
		if _, err := h.Node.Apply(ctx, empty); err != nil {
			return counting.Receipt{}, err
		}
	}
	return h.Node.Apply(ctx, b)
}
