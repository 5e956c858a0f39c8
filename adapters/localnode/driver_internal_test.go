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
	db, err := openDatabase(filepath.Join(t.TempDir(), "db"), &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rapid.Check(t, func(t *rapid.T) {
		var file boltFile
		file.db.Store(db)
		memory := newTree()
		if err := file.Update(func(root bucket) error {
			for _, name := range firstKeys(root, nil, unlimited) {
				root.Delete(name)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		snapshot, then := memory.items.Clone(), ""
		for range 20 {
			steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 8).Draw(t, "steps")
			fails := rapid.Bool().Draw(t, "fails")
			var said []string
			for _, d := range []driver{&file, memory} {
				text := ""
				err := d.Update(func(root bucket) error {
					for _, s := range steps {
						text += fmt.Sprintln(s.do(root))
					}
					if fails {
						return errors.New("the transaction fails")
					}
					return nil
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
		old := &tree{items: snapshot}
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
		rapid.SampledFrom([]string{"put", "put", "put", "delete", "sequence", "create"}).Draw(t, "act"),
		strings.Join(rapid.SliceOfN(names, 1, 3).Draw(t, "path"), "/"), names.Draw(t, "key"),
	}
}

func (s step) do(root bucket) (err error) {
	b := root
	for name := range strings.SplitSeq(s.path, "/") {
		if b, err = b.Create([]byte(name)); err != nil {
			return err
		}
	}
	switch s.act {
	case "put":
		b.Put([]byte(s.key), []byte(s.path+s.key))
	case "delete":
		b.Delete([]byte(s.key))
	case "sequence":
		b.SetSequence(b.Sequence() + uint64(len(s.key)))
	case "create":
		_, err = b.Create([]byte(s.key))
	}
	return err
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
	for _, key := range []string{"a", "b", "c"} {
		text += fmt.Sprintf("%sbefore %s: %q\n", path, key, b.Before([]byte(key)))
	}
	for key := range b.Scan([]byte("ab")) {
		text += fmt.Sprintf("%son %q\n", path, key)
	}
	return text
}
