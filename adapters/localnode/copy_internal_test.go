package localnode

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"

	checks "footfall/test/check"
)

// discard ignores a copy.
func discard(int64) io.Writer { return io.Discard }

// aborted begins a copy, does something, and waits until the copy has to end, as a writer does
// whose reader is slow.
func aborted(n *File, reserve int64, do func()) error {
	ctx, abort := context.WithCancelCause(context.Background())
	return n.Copy(reserve, abort, func(int64) io.Writer {
		do()
		<-ctx.Done()
		return io.Discard
	})
}

// A copy is refused, or ends, before a batch could wait for its reader.
func TestACopyEndsBeforeTheFileNeedsAnotherMap(t *testing.T) {
	if growth == 0 {
		t.Skip("no copy is made with 32 bits")
	}
	n := NewFile(FileOptions{Dir: t.TempDir()})
	checks.Must(t, n.Start(t.Context()))
	defer func() { checks.OK(t, n.Stop(t.Context())) }()
	path := n.file.db.Load().path
	sparse := func(size int64) { checks.Must(t, os.Truncate(path, size)) }
	small := checks.Value(os.Stat(path))(t).Size()
	sparse(growth - growthLeft - 1)
	checks.Must(t, n.Copy(0, nil, discard), "a copy with room")
	checks.Is(t, aborted(n, 0, func() { sparse(small + growth - growthLeft) }), ErrGrown, "a copy that has begun")
	checks.Is(t, n.Copy(0, nil, nil), ErrGrown, "another copy")
	sparse(small)
}

// A copy, for which the file grows, takes no room that batches need. It ends though nothing is
// written to its reader.
func TestACopyEndsBeforeTheDiskIsFull(t *testing.T) {
	if growth == 0 {
		t.Skip("no copy is made with 32 bits")
	}
	n := NewFile(FileOptions{Dir: t.TempDir()})
	var free atomic.Int64
	n.free = free.Load
	checks.Must(t, n.Start(t.Context()))
	defer func() { checks.OK(t, n.Stop(t.Context())) }()
	const reserve = 7 << 30
	free.Store(reserve + copyRoom)
	checks.Must(t, n.Copy(reserve, nil, discard), "a copy with room")
	checks.Is(t, aborted(n, reserve, func() { free.Store(reserve + copyRoom - 1) }), ErrNoRoom, "a copy that has begun")
	checks.Is(t, n.Copy(reserve, nil, nil), ErrNoRoom, "another copy")
	free.Store(0)
	checks.Must(t, n.Copy(reserve, nil, discard), "a copy on a disk of which nothing is known")
}

// Of 32 bits a copy says that, and not that the file has grown (GOARCH=386 go test).
func TestACopyNeedsSixtyFourBits(t *testing.T) {
	if growth > 0 {
		t.Skip("there are 64 bits")
	}
	n := NewFile(FileOptions{Dir: t.TempDir()})
	checks.Must(t, n.Start(t.Context()))
	defer func() { checks.OK(t, n.Stop(t.Context())) }()
	err := n.Copy(0, nil, nil)
	checks.Is(t, err, errors.ErrUnsupported)
	checks.Says(t, err, "32 bits", "copy the folder")
}
