package localnode

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/google/btree"

	"footfall/domain/counting"
)

// tree is the driver that keeps everything in memory. All buckets are in one
// B-tree, whose clone costs nothing until one of the two is changed.
type tree struct {
	mu     sync.RWMutex
	items  *btree.BTreeG[item]
	closed bool

	// Of the running transaction: what was there before each of its writes, to be
	// put back in reverse order when it fails, and the error of the last write that
	// failed.
	undo []item
	err  error
}

// item is what a bucket has at a key: a value, a bucket, or nothing.
type item struct {
	in         uint64 // the number of the bucket
	key, value []byte
	bucket     uint64 // the number of the bucket that is there, or 0
}

// treeBucket is the bucket of a number.
type treeBucket struct {
	*tree
	no uint64
}

const (
	// sequences is a bucket with the sequences of all buckets by their numbers.
	// Its own is the greatest number that was given to a bucket.
	sequences  = 0
	rootNumber = 1
)

func newTree() *tree {
	t := &tree{items: btree.NewG(32, func(a, b item) bool {
		return a.in < b.in || a.in == b.in && bytes.Compare(a.key, b.key) < 0
	})}
	treeBucket{t, sequences}.SetSequence(rootNumber)
	return t
}

func (t *tree) View(read func(bucket) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return counting.ErrClosed
	}
	return read(treeBucket{t, rootNumber})
}

func (t *tree) Update(change func(bucket) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return counting.ErrClosed
	}
	t.undo, t.err = t.undo[:0], nil
	err := change(treeBucket{t, rootNumber})
	if err == nil {
		err = t.err
	}
	if err != nil {
		for _, before := range slices.Backward(t.undo) {
			t.set(before)
		}
	}
	clear(t.undo)
	return err
}

// set stores an item, or deletes what is at its key if the item is nothing. It returns
// what was there, which, given to set, undoes it.
func (t *tree) set(i item) item {
	swap := t.items.ReplaceOrInsert
	if i.value == nil && i.bucket == 0 {
		swap = t.items.Delete
	}
	if before, had := swap(i); had {
		return before
	}
	return item{in: i.in, key: i.key}
}

// write is set in a transaction.
func (t *tree) write(i item) (before item) {
	before = t.set(i)
	t.undo = append(t.undo, before)
	return before
}

func (b treeBucket) get(key []byte) item {
	found, _ := b.items.Get(item{in: b.no, key: key})
	return found
}

func (b treeBucket) Get(key []byte) []byte { return b.get(key).value }

func (b treeBucket) Put(key, value []byte) {
	stored := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	before := b.write(item{in: b.no, key: stored[:len(key):len(key)], value: stored[len(key):]})
	if before.bucket != 0 {
		b.set(before)
		b.err = counting.Mark(errors.New("a bucket is in the place of a value"), counting.ErrNotApplied)
	}
}

func (b treeBucket) Delete(key []byte) {
	if no := b.write(item{in: b.no, key: key}).bucket; no != 0 {
		clearPrefix(treeBucket{b.tree, no}, nil)
		treeBucket{b.tree, sequences}.Delete(number(int64(no)))
	}
}

func (b treeBucket) Scan(from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b.items.AscendGreaterOrEqual(item{in: b.no, key: from}, func(i item) bool {
			return i.in == b.no && yield(i.key, i.value)
		})
	}
}

func (b treeBucket) Before(key []byte) (before []byte) {
	b.items.DescendLessOrEqual(item{in: b.no, key: key}, func(i item) bool {
		if i.in == b.no && !bytes.Equal(i.key, key) {
			before = i.key
		}
		return i.in == b.no && before == nil
	})
	return before
}

func (b treeBucket) Bucket(name []byte) (bucket, error) {
	switch found := b.get(name); {
	case found.bucket != 0:
		return treeBucket{b.tree, found.bucket}, nil
	case found.key != nil:
		return nil, counting.Corrupt
	}
	return nil, nil
}

func (b treeBucket) Create(name []byte) (bucket, error) {
	if there, err := b.Bucket(name); there != nil || err != nil {
		return there, err
	}
	numbers := treeBucket{b.tree, sequences}
	made := treeBucket{b.tree, numbers.Sequence() + 1}
	numbers.SetSequence(made.no)
	b.write(item{in: b.no, key: bytes.Clone(name), bucket: made.no})
	return made, nil
}

func (b treeBucket) Sequence() uint64 {
	n, _ := readNumber(treeBucket{b.tree, sequences}.Get(number(int64(b.no))))
	return uint64(n)
}

func (b treeBucket) SetSequence(n uint64) {
	treeBucket{b.tree, sequences}.Put(number(int64(b.no)), number(int64(n)))
}
