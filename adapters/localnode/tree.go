package localnode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"sync"

	"github.com/google/btree"

	"footfall/domain/counting"
)

// tree is the driver that keeps everything in memory: one B-tree, whose clone
// costs nothing until one of the two is changed.
type tree struct {
	mu     sync.RWMutex
	items  *items
	closed bool
	lastID uint32 // the highest id of a bucket
	undo   []undo // what the running transaction replaced, to roll it back
	// tables caches the buckets of the root by name. The root has no values.
	tables map[string]*treeBucket
}

type items = btree.BTreeG[item]

// item is a value, or a bucket with its sequence as the value.
type item struct {
	in         uint32 // id of the bucket that it lies in
	child      uint32 // id of the bucket that it is; 0 for a value
	key, value []byte
}

type undo struct {
	before item
	had    bool // before was there
}

const (
	treeRoot   = 0
	treeDegree = 32
)

func newTree() *tree {
	return &tree{tables: make(map[string]*treeBucket), items: btree.NewG(treeDegree, func(a, b item) bool {
		if a.in != b.in {
			return a.in < b.in
		}
		return bytes.Compare(a.key, b.key) < 0
	})}
}

func (t *tree) View(read func(bucket) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return counting.ErrClosed
	}
	return read(&treeBucket{t: t, id: treeRoot})
}

func (t *tree) Update(change func(bucket) (bool, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return counting.ErrClosed
	}
	changed, err := change(&treeBucket{t: t, id: treeRoot})
	for ; (err != nil || !changed) && len(t.undo) > 0; t.undo = t.undo[:len(t.undo)-1] {
		if last := t.undo[len(t.undo)-1]; last.had {
			t.set(last.before)
		} else {
			t.unset(last.before)
		}
	}
	clear(t.undo)
	t.undo = t.undo[:0]
	return err
}

// load gives the tree other items; lastID is the highest id of a bucket there.
func (t *tree) load(all *items, lastID uint32) {
	t.items, t.lastID = all, lastID
	clear(t.tables)
	all.AscendRange(item{in: treeRoot}, item{in: treeRoot + 1}, func(i item) bool {
		t.tables[string(i.key)] = &treeBucket{t, i.child, treeRoot, i.key}
		return true
	})
}

func (t *tree) set(i item) (before item, had bool) {
	before, had = t.items.ReplaceOrInsert(i)
	if i.in == treeRoot && before.child != i.child {
		t.tables[string(i.key)] = &treeBucket{t, i.child, treeRoot, i.key}
	}
	return before, had
}

func (t *tree) unset(i item) {
	t.items.Delete(i)
	if i.in == treeRoot {
		delete(t.tables, string(i.key))
	}
}

func (t *tree) put(i item) (before item) {
	before, had := t.set(i)
	if had {
		t.undo = append(t.undo, undo{before, true})
	} else {
		t.undo = append(t.undo, undo{i, false})
	}
	return before
}

// delete deletes an item; all that lies in a bucket goes first.
func (t *tree) delete(i item) {
	found, ok := t.items.Get(i)
	if !ok {
		return
	}
	if found.child != 0 {
		var inside []item
		t.items.AscendRange(item{in: found.child}, item{in: found.child + 1}, func(i item) bool {
			inside = append(inside, i)
			return true
		})
		for _, i := range inside {
			t.delete(i)
		}
	}
	t.unset(found)
	t.undo = append(t.undo, undo{found, true})
}

// treeBucket is a bucket of a tree; in and name are those of its own item.
type treeBucket struct {
	t    *tree
	id   uint32
	in   uint32
	name []byte
}

func (b *treeBucket) find(key []byte) item {
	found, _ := b.t.items.Get(item{in: b.id, key: key})
	return found
}

func (i item) bytes() []byte {
	if i.child != 0 {
		return nil
	}
	return i.value
}

func (b *treeBucket) Get(key []byte) []byte { return b.find(key).bytes() }

func (b *treeBucket) Put(key, value []byte) error {
	stored := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	before := b.t.put(item{in: b.id, key: stored[:len(key):len(key)], value: stored[len(key):]})
	if before.child != 0 { // the error rolls it back
		return fmt.Errorf("%w: a bucket is in the place of a value", counting.ErrNotApplied)
	}
	return nil
}

func (b *treeBucket) Delete(key []byte) error {
	b.t.delete(item{in: b.id, key: key})
	return nil
}

func (b *treeBucket) Scan(from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b.t.items.AscendGreaterOrEqual(item{in: b.id, key: from}, func(i item) bool {
			return i.in == b.id && yield(i.key, i.bytes())
		})
	}
}

func (b *treeBucket) ScanBack(before []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b.t.items.DescendLessOrEqual(item{in: b.id, key: before}, func(i item) bool {
			return i.in == b.id && (bytes.Equal(i.key, before) || yield(i.key, i.bytes()))
		})
	}
}

func (b *treeBucket) Bucket(name []byte) (bucket, error) {
	if table := b.t.tables[string(name)]; table != nil && b.id == treeRoot {
		return table, nil
	}
	switch found := b.find(name); {
	case found.child != 0:
		return &treeBucket{b.t, found.child, b.id, found.key}, nil
	case found.value != nil:
		return nil, counting.Corrupt
	}
	return nil, nil
}

func (b *treeBucket) Create(name []byte) (bucket, error) {
	if there, err := b.Bucket(name); there != nil || err != nil {
		return there, err
	}
	b.t.lastID++
	made := &treeBucket{b.t, b.t.lastID, b.id, bytes.Clone(name)}
	return made, made.SetSequence(0)
}

func (b *treeBucket) Sequence() uint64 {
	own, _ := b.t.items.Get(item{in: b.in, key: b.name})
	return binary.BigEndian.Uint64(own.value)
}

func (b *treeBucket) SetSequence(n uint64) error {
	b.t.put(item{in: b.in, child: b.id, key: b.name, value: number(int64(n))})
	return nil
}

func (b *treeBucket) Append(value []byte) error {
	n := b.Sequence() + 1
	if err := b.SetSequence(n); err != nil {
		return err
	}
	return b.Put(number(int64(n)), value)
}
