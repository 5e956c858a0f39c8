package embedded

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// Kinds of what is forgotten. The bucket forget has a key for each, from its
// making on: the time at which to look at it, the kind, the name. What turns
// out to have been used since is planned anew then; so using it costs nothing.
const (
	aSession byte = 's'
	aWindow  byte = 'w'
	theCalls byte = 'c'
	anEntry  byte = 'e'
	theKeys  byte = 'k'
)

// atOnce bounds what one call forgets, and so how long it takes.
const atOnce = 64

func plan(tx *bolt.Tx, at time.Time, kind byte, name []byte) error {
	key := append(append(ordered(at.UnixMilli()), kind), name...)
	return put(tx.Bucket([]byte(inForget)), key, present())
}

// forget drops what has been kept long enough, and tells whether it has
// changed anything.
func forget(tx *bolt.Tx, now time.Time) (changed bool, err error) {
	b, limit := tx.Bucket([]byte(inForget)), ordered(now.UnixMilli()+1)
	var due [][]byte
	c := b.Cursor()
	for key, _ := c.First(); key != nil && len(due) < atOnce && bytes.Compare(key, limit) < 0; key, _ = c.Next() {
		due = append(due, bytes.Clone(key))
	}
	for _, key := range due {
		if err := remove(b, key); err != nil {
			return false, err
		}
		if len(key) < 9 {
			continue
		}
		if err := look(tx, now, key[8], key[9:]); err != nil {
			return false, err
		}
	}
	return len(due) > 0, nil
}

// look forgets one thing, or plans it anew; what can't be read is forgotten.
func look(tx *bolt.Tx, now time.Time, kind byte, name []byte) error {
	switch kind {
	case aSession:
		sessions := tx.Bucket([]byte(inSessions))
		_, at, err := decodeSession(sessions.Get(name))
		if end := at.Add(counting.SessionLife); err == nil && now.Before(end) {
			return plan(tx, end, kind, name)
		}
		return remove(sessions, name)
	case theKeys:
		if all, err := forgetKeys(tx, name); all || err != nil {
			return err
		}
		return plan(tx, now, kind, name)
	case aWindow:
		return dropBucket(tx.Bucket([]byte(inWindows)), name)
	case theCalls:
		return dropBucket(tx.Bucket([]byte(inCalls)), name)
	case anEntry:
		entries := tx.Bucket([]byte(inEntries))
		c, err := decodeEntry(0, entries.Get(name))
		if end := c.Changed.Add(counting.EntryLife); err == nil && now.Before(end) {
			return plan(tx, end, kind, name)
		}
		if err := dropBucket(entries, name); err != nil {
			return err
		}
		return dropBucket(tx.Bucket([]byte(inCalls)), name)
	}
	return nil
}
