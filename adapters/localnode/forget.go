package localnode

import (
	"bytes"
	"time"

	"footfall/domain/counting"
)

// Kinds of what is forgotten. The bucket forget has a key for each, from when
// it is made: the time at which to look at it, the kind, the name. What turns
// out to have been used since is planned again then; so using it costs nothing.
const (
	aSession byte = 's'
	aWindow  byte = 'w'
	theCalls byte = 'c'
	anEntry  byte = 'e'
	theKeys  byte = 'k'
)

// maxForgotten bounds what one transaction forgets, and so how long it takes.
const maxForgotten = 64

func (t *tx) plan(at time.Time, kind byte, name []byte) error {
	return t.table(inForget).Put(join(ordered(at.UnixMilli()), []byte{kind}, name), present())
}

// forget deletes what has been kept long enough, and tells whether it has
// changed anything.
func (t *tx) forget() (changed bool, err error) {
	b, limit := t.table(inForget), ordered(t.at.UnixMilli()+1)
	var due [][]byte
	for key := range b.Scan(nil) {
		if len(due) == maxForgotten || bytes.Compare(key, limit) >= 0 {
			break
		}
		due = append(due, bytes.Clone(key))
	}
	for _, key := range due {
		if err := b.Delete(key); err != nil {
			return false, err
		}
		if len(key) < 9 {
			continue
		}
		if err := t.forgetOne(key[8], key[9:]); err != nil {
			return false, err
		}
	}
	return len(due) > 0, nil
}

// forgetOne deletes one thing, or plans it again. What can't be read is
// deleted.
func (t *tx) forgetOne(kind byte, name []byte) error {
	switch kind {
	case aSession:
		sessions := t.table(inSessions)
		_, used, err := decodeSession(sessions.Get(name))
		if end := used.Add(counting.SessionLife); err == nil && t.at.Before(end) {
			return t.plan(end, kind, name)
		}
		return sessions.Delete(name)
	case theKeys:
		if all, err := t.forgetKeys(name); all || err != nil {
			return err
		}
		return t.plan(t.at, kind, name)
	case aWindow:
		return t.table(inWindows).Delete(name)
	case theCalls:
		return t.table(inCalls).Delete(name)
	case anEntry:
		entries := t.table(inEntries)
		c, err := decodeEntry(0, entries.Get(name))
		if end := c.Changed.Add(counting.EntryLife); err == nil && t.at.Before(end) {
			return t.plan(end, kind, name)
		}
		if err := entries.Delete(name); err != nil {
			return err
		}
		return t.table(inCalls).Delete(name)
	}
	return nil
}
