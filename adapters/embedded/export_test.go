package embedded

import (
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// OpenWith lets the test hold the file that the node opens at its next start.
func (n *Node) OpenWith(open func(name string, flag int, mode os.FileMode) (*os.File, error)) {
	n.open = open
}

// CheckFor bounds how long the next starts check the file.
func (n *Node) CheckFor(d time.Duration) { n.checking = d }

// SpoilPage puts something under a page that is no count.
func (n *Node) SpoilPage(at counting.Located) error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(inPages)).Put([]byte(at.Page), []byte("no count at all"))
	})
}

// SpoilWindow puts something under the ids of a window that is no set.
func (n *Node) SpoilWindow(w counting.Window) error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(inWindows)).Put(ordered(w), []byte("no set"))
	})
}

// SpoilNumber puts something in the place of the number of a window's ids.
func (n *Node) SpoilNumber(w counting.Window, value []byte) error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		kept, err := tx.Bucket([]byte(inWindows)).CreateBucketIfNotExists(ordered(w))
		if err != nil {
			return err
		}
		return kept.Put([]byte("n"), value)
	})
}

// SpoilEntry puts a text in the place of the entry of a window.
func (n *Node) SpoilEntry(w counting.Window, text string) error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(inEntries)).Put(ordered(w), []byte(text))
	})
}

// SpoilEntryByBucket puts a bucket in the place of the entry of a window.
func (n *Node) SpoilEntryByBucket(w counting.Window) error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		_, err := tx.Bucket([]byte(inEntries)).CreateBucket(ordered(w))
		return err
	})
}

// SpoilKeys puts keys among the waiting windows and the entries that name no
// window.
func (n *Node) SpoilKeys() error {
	return n.db.Load().Update(func(tx *bolt.Tx) error {
		for _, in := range []string{inWaiting, inEntries} {
			for _, key := range []string{"a", "\x80 no window"} {
				if err := tx.Bucket([]byte(in)).Put([]byte(key), present()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
