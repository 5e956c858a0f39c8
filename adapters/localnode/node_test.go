package localnode_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 10, 5, 20, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Elapse(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// start starts a node, and stops it when the test ends.
func start(t testing.TB, o localnode.FileOptions) *localnode.File {
	t.Helper()
	n := localnode.NewFile(o)
	check.Must(t, n.Start(t.Context()))
	t.Cleanup(func() { stop(t, n) })
	return n
}

func stop(t testing.TB, n *localnode.File) {
	t.Helper()
	check.OK(t, n.Stop(context.Background()))
}

// testNode is what a node of either kind lets the tests do.
type testNode interface {
	Elapse(d time.Duration)
	SpoilPage(at counting.Located) error
	SpoilHistory(at counting.Located) error
	SpoilWindow(w counting.Window) error
	SpoilEntry(w counting.Window, text string) error
}

// harness is what nodes of both kinds have in common.
func harness() conformance.Harness {
	return conformance.Harness{
		Advance: func(_ *testing.T, n conformance.Node, d time.Duration) { n.(testNode).Elapse(d) },
		CorruptPage: func(t *testing.T, n conformance.Node, at counting.Located) {
			check.Must(t, n.(testNode).SpoilPage(at))
		},
		CorruptHistory: func(t *testing.T, n conformance.Node, at counting.Located) {
			check.Must(t, n.(testNode).SpoilHistory(at))
		},
		CorruptWindow: func(t *testing.T, n conformance.Node, w counting.Window) {
			check.Must(t, n.(testNode).SpoilWindow(w))
		},
		CorruptEntry: func(t *testing.T, n conformance.Node, w counting.Window) {
			check.Must(t, n.(testNode).SpoilEntry(w, "no entry"))
		},
	}
}

// clockedFile is a node with its folder and its clock.
type clockedFile struct {
	*localnode.File
	*clock
	dir string
}

func TestFileKeepsTheContract(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, dir string, c *clock) conformance.Node {
		return clockedFile{start(t, localnode.FileOptions{Dir: dir, Now: c.Now}), c, dir}
	}
	h := harness()
	h.Open = func(t *testing.T) conformance.Node { return open(t, t.TempDir(), newClock()) }
	h.Close = func(t *testing.T, n conformance.Node) { stop(t, n.(clockedFile).File) }
	h.Reopen = func(t *testing.T, n conformance.Node) conformance.Node {
		f := n.(clockedFile)
		stop(t, f.File)
		return open(t, f.dir, f.clock)
	}
	h.Immovable = "a file is the one node of its ring"
	conformance.TestNode(t, h)
}

// clockedMemory is a node with its clock.
type clockedMemory struct {
	*localnode.Node
	*clock
}

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, id counting.NodeID) clockedMemory {
		c := newClock()
		n := localnode.New(localnode.Options{ID: id, Addr: "one", Now: c.Now})
		t.Cleanup(n.Close)
		return clockedMemory{n, c}
	}
	h := harness()
	h.Open = func(t *testing.T) conformance.Node { return open(t, "memory_1") }
	h.Close = func(_ *testing.T, n conformance.Node) { n.(clockedMemory).Close() }
	h.Impostor = func(t *testing.T, n conformance.Node) conformance.Node {
		other := open(t, "memory_2")
		other.Restore(n.(clockedMemory).Snapshot())
		return other
	}
	conformance.TestNode(t, h)
}

// A backup may take the file's place while the node is stopped.
func TestNodeKnowsOnlyWhatIsInTheFileThatItStartsWith(t *testing.T) {
	c := newClock()
	o := localnode.FileOptions{Dir: t.TempDir(), Now: c.Now}
	n := start(t, o)
	r := enter(t, n)
	backups := t.TempDir()
	copyFile(t, n, o.Dir, backups, "first")
	apply(t, n, batch(1))
	fence(t, n, next(t, r, "a"))
	copyFile(t, n, o.Dir, backups, "a")

	restore(t, n, o.Dir, backups, "first")
	apply(t, n, batch(1)) // its id isn't known any more
	check.Equal(t, check.Value(n.Distinct(t.Context(), r.Length().At(c.Now())))(t), 1, "distinct ids")
	fence(t, n, next(t, r, "b"))
	restore(t, n, o.Dir, backups, "a")
	if got, err := n.RingState(t.Context()); err != nil || got.Fenced.ChangeID() != "a" {
		t.Fatalf("got the fence of %+v and the error %v, want that of a", got, err)
	}
}

func apply(t *testing.T, n *localnode.File, b *counting.Batch) {
	t.Helper()
	if r, err := n.Apply(t.Context(), b); err != nil || r.Duplicate || len(r.Refused) > 0 {
		t.Fatalf("got %+v and the error %v", r, err)
	}
}

func next(t *testing.T, r *sharding.Ring, change string) *sharding.Ring {
	t.Helper()
	r = check.Value(r.Add(sharding.Change{ID: change}, sharding.Member{ID: "other", Addr: "other", Weight: 1}))(t)
	return r
}

func fence(t *testing.T, n *localnode.File, r *sharding.Ring) {
	t.Helper()
	check.Value(n.Fence(t.Context(), r))(t)
	if got, err := n.RingState(t.Context()); err != nil || got.Fenced.ChangeID() != r.ChangeID() {
		t.Fatalf("got the fence of %+v and the error %v", got, err)
	}
}

// copyFile copies the file of a node, which is stopped for it.
func copyFile(t *testing.T, n *localnode.File, dir, backups, name string) {
	t.Helper()
	stop(t, n)
	replace(t, filepath.Join(dir, "footfall.db"), filepath.Join(backups, name))
	check.Must(t, n.Start(t.Context()))
}

// restore puts a copy in the place of a node's file.
func restore(t *testing.T, n *localnode.File, dir, backups, name string) {
	t.Helper()
	stop(t, n)
	replace(t, filepath.Join(backups, name), filepath.Join(dir, "footfall.db"))
	check.Must(t, n.Start(t.Context()))
}

func replace(t *testing.T, from, to string) {
	t.Helper()
	content := check.Value(os.ReadFile(from))(t)
	check.Must(t, os.WriteFile(to, content, 0o600))
}

// enter makes a node all of a ring of epoch 1.
func enter(t testing.TB, n *localnode.File) *sharding.Ring {
	t.Helper()
	members := []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}
	r := check.Value(sharding.New("test", 1, counting.WindowLength(time.Minute), "first", members))(t)
	check.Value(n.Fence(t.Context(), r))(t)
	check.Must(t, n.Open(t.Context(), r))
	return r
}

// batch has one visit of home and one id.
func batch(seq int64) *counting.Batch {
	return &counting.Batch{
		Epoch: 1, Session: "a", Seq: seq,
		Visits: []counting.Visit{{Page: "home", Count: 1}},
		Clock:  conformance.AnyTime(), IDEvents: []counting.IDEvent{{ID: counting.ID(seq), Table: 1}},
	}
}

// visits is the count of home.
func visits(t testing.TB, n *localnode.File) int64 {
	t.Helper()
	got := check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}}))(t)
	check.Must(t, got[0].Err)
	return got[0].Visits
}
