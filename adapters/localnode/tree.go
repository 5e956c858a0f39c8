package localnode

import (
	"bytes"
	"fmt"
	"iter"
	"sync"

	"github.com/google/btree"

	"footfall/domain/counting"
)

// tree is the driver that keeps everything in memory.
type tree struct {
	mu     sync.RWMutex
	root   *treeBucket
	closed bool

	// Of the running transaction: what rolls it back, in order of the writes, and
	// the error of the last write that failed.
	undo []func()
	err  error
}

// treeBucket is a bucket in a B-tree, whose clone costs nothing until one of
// the two is changed.
type treeBucket struct {
	tree     *tree
	items    *btree.BTreeG[item]
	buckets  map[string]*treeBucket // each has an item without a value
	sequence uint64
}

type item struct{ key, value []byte }

const treeDegree = 32

func newTree() *tree {
	t := &tree{}
	t.root = t.newBucket()
	return t
}

func (t *tree) newBucket() *treeBucket {
	less := func(a, b item) bool { return bytes.Compare(a.key, b.key) < 0 }
	return &treeBucket{tree: t, items: btree.NewG(treeDegree, less)}
}

func (t *tree) View(read func(bucket) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return counting.ErrClosed
	}
	return read(t.root)
}

func (t *tree) Update(change func(bucket) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return counting.ErrClosed
	}
	t.undo, t.err = t.undo[:0], nil
	err := change(t.root)
	if err == nil {
		err = t.err
	}
	if err != nil {
		for i := len(t.undo) - 1; i >= 0; i-- {
			t.undo[i]()
		}
	}
	clear(t.undo)
	return err
}

// onRollback says how to undo a write.
func (t *tree) onRollback(undo func()) { t.undo = append(t.undo, undo) }

// clone makes a copy of a bucket for a tree.
func (b *treeBucket) clone(t *tree) *treeBucket {
	c := &treeBucket{tree: t, items: b.items.Clone(), sequence: b.sequence}
	for name, in := range b.buckets {
		c.nest(name, in.clone(t))
	}
	return c
}

func (b *treeBucket) nest(name string, in *treeBucket) {
	if b.buckets == nil {
		b.buckets = make(map[string]*treeBucket)
	}
	b.buckets[name] = in
}

func (b *treeBucket) Get(key []byte) []byte {
	found, _ := b.items.Get(item{key: key})
	return found.value
}

func (b *treeBucket) Put(key, value []byte) {
	if b.buckets[string(key)] != nil {
		b.tree.err = fmt.Errorf("%w: a bucket is in the place of a value", counting.ErrNotApplied)
		return
	}
	stored := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	b.insert(item{stored[:len(key):len(key)], stored[len(key):]})
}

func (b *treeBucket) insert(i item) {
	before, had := b.items.ReplaceOrInsert(i)
	b.tree.onRollback(func() {
		if had {
			b.items.ReplaceOrInsert(before)
		} else {
			b.items.Delete(i)
		}
	})
}

func (b *treeBucket) Delete(key []byte) {
	before, had := b.items.Delete(item{key: key})
	if !had {
		return
	}
	name := string(key)
	in := b.buckets[name]
	delete(b.buckets, name)
	b.tree.onRollback(func() {
		b.items.ReplaceOrInsert(before)
		if in != nil {
			b.nest(name, in)
		}
	})
}

func (b *treeBucket) Scan(from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b.items.AscendGreaterOrEqual(item{key: from}, func(i item) bool { return yield(i.key, i.value) })
	}
}

func (b *treeBucket) Before(key []byte) (before []byte) {
	b.items.DescendLessOrEqual(item{key: key}, func(i item) bool {
		if !bytes.Equal(i.key, key) {
			before = i.key
		}
		return before == nil
	})
	return before
}

func (b *treeBucket) Bucket(name []byte) (bucket, error) {
	if in := b.buckets[string(name)]; in != nil {
		return in, nil
	}
	if b.items.Len() > len(b.buckets) && b.Get(name) != nil {
		return nil, counting.Corrupt
	}
	return nil, nil
}

func (b *treeBucket) Create(name []byte) (bucket, error) {
	if there, err := b.Bucket(name); there != nil || err != nil {
		return there, err
	}
	in, key := b.tree.newBucket(), string(name)
	b.insert(item{key: []byte(key)})
	b.nest(key, in)
	b.tree.onRollback(func() { delete(b.buckets, key) })
	return in, nil
}

func (b *treeBucket) Sequence() uint64 { return b.sequence }

func (b *treeBucket) SetSequence(n uint64) {
	before := b.sequence
	b.sequence = n
	b.tree.onRollback(func() { b.sequence = before })
}
