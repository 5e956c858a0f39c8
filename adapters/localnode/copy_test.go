package localnode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
)

// A copy is what was there when it began. Batches go on while its reader waits, also those
// for which the file grows to several times its size.
func TestACopyDelaysNoBatch(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("no copy is made with 32 bits")
	}
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	check.Value(n.Apply(t.Context(), batch(1)))(t)
	before, grown := visits(t, n), int64(0)
	var copied bytes.Buffer
	check.Must(t, n.Copy(0, noAbort(t), func(size int64) io.Writer {
		for seq := int64(2); grown < 4*size && seq < 500; seq++ {
			b := batch(seq)
			for i := range 500 {
				b.Visits = append(b.Visits, counting.Visit{Page: counting.Page(fmt.Sprintf("%0200d", int64(i)+seq*1000)), Count: 1})
			}
			check.Value(n.Apply(t.Context(), b))(t)
			grown += 500 * 200
		}
		if grown < 4*size {
			t.Errorf("the file did not grow: %d of %d bytes", grown, size)
		}
		return &copied
	}))
	if now := visits(t, n); now <= before {
		t.Errorf("no batch was applied during the copy: %d, then %d", before, now)
	}
	dir := t.TempDir()
	check.Must(t, os.WriteFile(filepath.Join(dir, "footfall.db"), copied.Bytes(), 0o600))
	check.Equal(t, visits(t, start(t, localnode.FileOptions{Dir: dir})), before, "visits in the copy")
}

func TestACopyFailsWithItsWriter(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("no copy is made with 32 bits")
	}
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	broken, writes := errors.New("broken"), 0
	check.Is(t, n.Copy(0, noAbort(t), func(int64) io.Writer {
		return writerFunc(func(p []byte) (int, error) {
			if writes++; writes > 2 { // bbolt wraps no error of the first two pages
				return 0, broken
			}
			return len(p), nil
		})
	}), broken)
	check.Must(t, n.Copy(0, noAbort(t), func(int64) io.Writer { return io.Discard }))
	stop(t, n) // no transaction is left open
	check.Is(t, n.Copy(0, nil, nil), counting.ErrClosed)
}

func noAbort(t *testing.T) func(error) {
	return func(why error) { t.Errorf("a copy with room was aborted: %v", why) }
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
