package localnode

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// TestDriversAgree lets the same transactions change a tree and a file, and
// compares what is in them after each. Some are rolled back.
func TestDriversAgree(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rapid.Check(t, func(t *rapid.T) {
		var file boltFile
		file.db.Store(db)
		memory := newTree()
		if err := file.Update(func(root bucket) (bool, error) { return true, deleteAll(root) }); err != nil {
			t.Fatal(err)
		}
		snapshot, then := memory.items.Clone(), ""
		for range 20 {
			steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 8).Draw(t, "steps")
			fails, changes := rapid.Bool().Draw(t, "fails"), rapid.Bool().Draw(t, "changes")
			var said []string
			for _, d := range []driver{&file, memory} {
				text := ""
				err := d.Update(func(root bucket) (bool, error) {
					for _, s := range steps {
						failed := s.do(root)
						text += fmt.Sprintln(failed)
						if failed {
							return false, errors.New("a step failed")
						}
					}
					if fails {
						return true, errors.New("the transaction fails")
					}
					return changes, nil
				})
				said = append(said, text+fmt.Sprintln(err != nil)+dump(t, d))
			}
			if said[0] != said[1] {
				t.Fatalf("after %+v the file says\n%s\nand the tree\n%s", steps, said[0], said[1])
			}
			if rapid.Bool().Draw(t, "snapshot") {
				snapshot, then = memory.items.Clone(), dump(t, memory)
			}
		}
		old := newTree()
		old.load(snapshot, memory.lastID)
		if got := dump(t, old); got != then {
			t.Fatalf("a snapshot has changed from\n%s\nto\n%s", then, got)
		}
	})
}

// step is one change of a bucket: the path leads to it, and all its buckets
// are made.
type step struct {
	act, path, key string
}

func drawStep(t *rapid.T) step {
	names := rapid.SampledFrom([]string{"a", "b", "ab", "b\x00"})
	return step{
		rapid.SampledFrom([]string{"put", "put", "put", "delete", "append", "sequence", "create"}).Draw(t, "act"),
		strings.Join(rapid.SliceOfN(names, 1, 3).Draw(t, "path"), "/"), names.Draw(t, "key"),
	}
}

func (s step) do(root bucket) (failed bool) {
	b, err := root, error(nil)
	for name := range strings.SplitSeq(s.path, "/") {
		if b, err = b.Create([]byte(name)); err != nil {
			return true
		}
	}
	switch s.act {
	case "put":
		err = b.Put([]byte(s.key), []byte(s.path+s.key))
	case "delete":
		err = b.Delete([]byte(s.key))
	case "append":
		err = b.Append([]byte(s.key))
	case "sequence":
		err = b.SetSequence(b.Sequence() + uint64(len(s.key)))
	case "create":
		_, err = b.Create([]byte(s.key))
	}
	return err != nil
}

func deleteAll(root bucket) error {
	var names [][]byte
	for name := range root.Scan(nil) {
		names = append(names, append([]byte(nil), name...))
	}
	for _, name := range names {
		if err := root.Delete(name); err != nil {
			return err
		}
	}
	return nil
}

// dump is all that a driver has, read in every way.
func dump(t *rapid.T, d driver) (text string) {
	if err := d.View(func(root bucket) error {
		text = dumpBucket(root, "")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

func dumpBucket(b bucket, path string) (text string) {
	for key, value := range b.Scan(nil) {
		text += fmt.Sprintf("%s%q %q %q\n", path, key, value, b.Get(key))
		in, err := b.Bucket(key)
		if (in == nil) != (value != nil) || (err != nil) != (value != nil) {
			text += fmt.Sprintln("bucket:", in, err)
		}
		if in != nil {
			text += fmt.Sprintf("%s%q sequence %d\n", path, key, in.Sequence()) + dumpBucket(in, path+string(key)+"/")
		}
	}
	for key := range b.ScanBack([]byte("b")) {
		text += fmt.Sprintf("%sback %q\n", path, key)
	}
	for key := range b.Scan([]byte("ab")) {
		text += fmt.Sprintf("%son %q\n", path, key)
	}
	return text
}
