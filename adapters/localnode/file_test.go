package localnode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
)

func TestStartMakesAPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	start(t, localnode.FileOptions{Dir: dir})
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(dir): 0o700 | fs.ModeDir, dir: 0o700 | fs.ModeDir, filepath.Join(dir, "footfall.db"): 0o600,
	} {
		info := check.Value(os.Stat(path))(t)
		check.Equal(t, info.Mode(), want, "the mode of %s", filepath.Base(path))
	}
}

func TestStartAndStopMayBeRepeated(t *testing.T) {
	n := localnode.NewFile(localnode.FileOptions{Dir: t.TempDir()})
	stop(t, n)
	for range 2 {
		for range 2 {
			check.Must(t, n.Start(t.Context()))
		}
		check.Is(t, check.Err(n.RingState(t.Context())), counting.ErrUninitialized)
		stop(t, n)
		stop(t, n)
		check.Is(t, check.Err(n.RingState(t.Context())), counting.ErrClosed)
	}
}

// What a process that was killed has left may be in the cache of the system only.
func TestStartCommitsWhatAnEarlierProcessHasLeft(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	stop(t, n)
	n.OpenWith(func(name string, _ int, mode os.FileMode) (*os.File, error) {
		return os.OpenFile(name, os.O_RDONLY, mode)
	})
	check.Fails(t, n.Start(t.Context()), "a file was opened without a commit")
	n.OpenWith(nil)
	check.Must(t, n.Start(t.Context()))
}

func TestNodeThatIsNotStartedIsClosed(t *testing.T) {
	n := localnode.NewFile(localnode.FileOptions{Dir: t.TempDir()})
	check.Is(t, check.Err(n.Apply(t.Context(), batch(1))), counting.ErrClosed)
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := localnode.NewFile(localnode.FileOptions{Dir: t.TempDir()})
	check.Is(t, n.Start(ctx), context.Canceled)
}

// ending is a context that is over from the nth time on that it is asked.
type ending struct {
	context.Context
	left int
}

func (e *ending) Err() error {
	if e.left--; e.left <= 0 {
		return context.Canceled
	}
	return nil
}

func TestStartEndsWithItsContextWhileItChecksTheFile(t *testing.T) {
	o := localnode.FileOptions{Dir: t.TempDir()}
	n := start(t, o)
	enter(t, n)
	stop(t, n)
	check.Is(t, n.Start(&ending{Context: t.Context(), left: 2}), context.Canceled)
	check.Must(t, n.Start(t.Context()))
}

func TestStartTakesAFileThatIsTooLargeToCheck(t *testing.T) {
	n := start(t, localnode.FileOptions{Dir: t.TempDir()})
	enter(t, n)
	apply(t, n, batch(1))
	stop(t, n)
	n.CheckFor(0)
	check.Must(t, n.Start(t.Context()))
	check.Equal(t, visits(t, n), 1, "visits")
}

func TestStopWaitsForCallsUnderWay(t *testing.T) {
	o := localnode.FileOptions{Dir: t.TempDir()}
	n := start(t, o)
	enter(t, n)
	var all sync.WaitGroup
	var answered int64
	all.Go(func() {
		for {
			if _, err := n.Apply(context.Background(), batch(answered+1)); err != nil {
				if !errors.Is(err, counting.ErrClosed) {
					t.Error(err)
				}
				return
			}
			answered++
		}
	})
	all.Go(func() {
		for {
			if _, err := n.Read(context.Background(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}}); err != nil {
				if !errors.Is(err, counting.ErrClosed) {
					t.Error(err)
				}
				return
			}
		}
	})
	for visits(t, n) < 5 {
		runtime.Gosched()
	}
	stop(t, n)
	all.Wait()
	if got := visits(t, start(t, o)); got != answered {
		t.Fatalf("got %d visits, want the %d that were answered", got, answered)
	}
}

func TestSecondProcessLearnsThatTheDirectoryIsInUse(t *testing.T) {
	o := localnode.FileOptions{Dir: t.TempDir()}
	start(t, o)
	err := localnode.NewFile(o).Start(t.Context())
	if want := "embedded: " + o.Dir + " is in use by another process"; err == nil || err.Error() != want {
		t.Fatalf("got the error %q, want %q", err, want)
	}
	check.Is(t, err, localnode.ErrInUse, "the second process")
}

// N11: root has copied the folder of another user.
func TestN11AFolderOfAnotherUserIsRefusedWithWhatToDo(t *testing.T) {
	o := localnode.FileOptions{Dir: t.TempDir()}
	f := localnode.NewFile(o)
	f.OpenWith(func(name string, _ int, _ os.FileMode) (*os.File, error) {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrPermission}
	})
	check.Says(t, f.Start(t.Context()), "open "+o.Dir+"/footfall.db: permission denied; give "+o.Dir+" and its files to the user of the service")
}

func TestStartRefusesWhatItCantRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(t *testing.T, path string)
		want  error
		says  string
	}{
		{"a text", func(t *testing.T, path string) { write(t, path, []byte("not a database")) }, localnode.ErrDamaged, ""},
		{"zeros", func(t *testing.T, path string) { write(t, path, make([]byte, 1<<16)) }, localnode.ErrDamaged, ""},
		{"a file that was cut off", cutOff, localnode.ErrDamaged, ""},
		{"a file with a page of zeros", wipe, localnode.ErrDamaged, ""},
		{"the database of another program", func(t *testing.T, path string) { database(t, path, "else", "x", "y") }, localnode.ErrFormat, "not Footfall's"},
		{
			"a database of a newer version", func(t *testing.T, path string) { database(t, path, "meta", "format", "3") }, localnode.ErrFormat,
			"the store has format 3, this version reads up to 2: run a newer version",
		},
		{"a directory", func(t *testing.T, path string) { check.Must(t, os.Mkdir(path, 0o700)) }, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.plant(t, filepath.Join(dir, "footfall.db"))
			n := localnode.NewFile(localnode.FileOptions{Dir: dir})
			err := n.Start(t.Context())
			if err == nil {
				stop(t, n)
				t.Fatal("the node was started")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got the error %v, want %v", err, c.want)
			}
			check.Says(t, err, c.says)
			t.Log(err)
		})
	}
}

// F1: the file is removed or replaced while it is open. The next process that opens the path has
// other numbers, so every call is refused until the file is in its place again.
func TestF1AFileThatIsNotInItsPlaceAnswersNothing(t *testing.T) {
	dir := t.TempDir()
	n := start(t, localnode.FileOptions{Dir: dir})
	enter(t, n)
	apply(t, n, batch(1))
	path := filepath.Join(dir, "footfall.db")
	back := func() { check.Must(t, os.Rename(path+".away", path)) }
	for name, takeAway := range map[string]func() (back func()){
		"removed": func() func() {
			check.Must(t, os.Rename(path, path+".away"))
			return back
		},
		"replaced": func() func() {
			check.Must(t, os.Rename(path, path+".away"))
			write(t, path, check.Value(os.ReadFile(path+".away"))(t))
			return back
		},
		"cut off": func() func() {
			content := check.Value(os.ReadFile(path))(t)
			check.Must(t, os.Truncate(path, 0))
			return func() { write(t, path, content) }
		},
	} {
		giveBack := takeAway()
		for _, err := range []error{
			check.Err(n.Apply(t.Context(), batch(2))), check.Err(n.RingSummary(t.Context())), check.Err(n.RingState(t.Context())),
			check.Err(n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}})), check.Err(n.Heartbeat(t.Context(), conformance.AnyTime())),
		} {
			check.Is(t, err, counting.ErrReplaced, name)
			check.Is(t, err, counting.ErrNotApplied, name)
		}
		giveBack()
		check.Equal(t, visits(t, n), 1, "visits after what was %s is back", name)
	}
}

func TestStartGoesOnWithAnEmptyFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "footfall.db"), nil)
	enter(t, start(t, localnode.FileOptions{Dir: dir}))
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	check.Must(t, os.WriteFile(path, content, 0o600))
}

func database(t *testing.T, path, bucket, key, value string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	check.Must(t, err)
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	})
	check.Must(t, errors.Join(err, db.Close()))
}

// cutOff makes a database and cuts its file in half.
func cutOff(t *testing.T, path string) {
	n := start(t, localnode.FileOptions{Dir: filepath.Dir(path)})
	enter(t, n)
	stop(t, n)
	check.Must(t, os.Truncate(path, int64(3*os.Getpagesize()))) // it has more, and then room to grow
}

// wipe makes a database and wipes the pages that the last write went to.
func wipe(t *testing.T, path string) {
	n := start(t, localnode.FileOptions{Dir: filepath.Dir(path)})
	enter(t, n)
	b := batch(1)
	for i := range 1000 {
		b.Visits = append(b.Visits, counting.Visit{Page: counting.Page(fmt.Sprint("page", i)), Count: 1})
	}
	check.Value(n.Apply(t.Context(), b))(t)
	stop(t, n)
	content := check.Value(os.ReadFile(path))(t)
	at := bytes.Index(content, []byte("page500")) &^ (os.Getpagesize() - 1)
	clear(content[at : at+os.Getpagesize()])
	write(t, path, content)
}
