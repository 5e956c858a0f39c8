package localnode_test

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
)

// V29: keys that count no more are deleted some at a time, and all of them.
func TestKeysAreForgottenInSteps(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	n := start(t, localnode.FileOptions{Dir: dir, Now: c.Now})
	ring := check.Value(sharding.New("d", 1, counting.WindowLength(time.Minute), "c", []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}))(t)
	check.Value(n.Fence(t.Context(), ring))(t)
	check.Must(t, n.Open(t.Context(), ring))
	const keys = 10_000
	b := &counting.Batch{Epoch: 1, Session: "s", Seq: 1, KeyLimit: keys}
	for i := range keys {
		k := counting.KeyedVisit{Visit: counting.Visit{Arc: counting.Arc(i % sharding.Arcs)}}
		binary.BigEndian.PutUint64(k.Key[:], uint64(i))
		b.Keyed = append(b.Keyed, k)
	}
	if r, err := n.Apply(t.Context(), b); err != nil || len(r.Refused) > 0 {
		t.Fatal(len(r.Refused), err)
	}
	c.Elapse(47 * time.Hour)
	last := keys
	for steps := 0; last > 0; steps++ {
		check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
		stop(t, n)
		left := keysIn(t, dir)
		if left > last || last-left > 4096 || steps > 10 {
			t.Fatalf("%d of %d keys are left after step %d", left, last, steps)
		}
		last = left
		check.Must(t, n.Start(t.Context()))
	}
}

// keysIn is how many keys a file has.
func keysIn(t *testing.T, dir string) (keys int) {
	t.Helper()
	db := check.Value(bolt.Open(filepath.Join(dir, "footfall.db"), 0o600, &bolt.Options{ReadOnly: true}))(t)
	defer db.Close()
	_ = db.View(func(tx *bolt.Tx) error {
		days := tx.Bucket([]byte("keys"))
		return days.ForEachBucket(func(day []byte) error {
			keys += days.Bucket(day).Stats().KeyN
			return nil
		})
	})
	return keys
}
