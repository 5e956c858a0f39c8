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
	kindSession byte = 's'
	kindWindow  byte = 'w'
	kindCalls   byte = 'c'
	kindEntry   byte = 'e'
	kindKeys    byte = 'k'
)

// maxForgotten bounds what one transaction forgets, and so how long it takes.
const maxForgotten = 64

func (t *tx) plan(at time.Time, kind byte, name []byte) {
	key := append(ordered(at.UnixMilli()), kind)
	t.table(inForget).Put(append(key, name...), present())
}

// forget deletes what has been kept long enough.
func (t *tx) forget() {
	planned, later := t.table(inForget), ordered(t.at.UnixMilli()+1)
	for _, key := range firstKeys(planned, nil, maxForgotten) {
		if bytes.Compare(key, later) >= 0 {
			return
		}
		planned.Delete(key)
		if len(key) >= 9 {
			t.forgetOne(key[8], key[9:])
		}
	}
}

// forgetOne deletes one thing, or plans it again. What can't be read is
// deleted.
func (t *tx) forgetOne(kind byte, name []byte) {
	switch kind {
	case kindSession:
		_, used, err := decodeSession(t.table(inSessions).Get(name))
		if end := used.Add(counting.SessionLife); err == nil && t.at.Before(end) {
			t.plan(end, kind, name)
			return
		}
		t.table(inSessions).Delete(name)
	case kindKeys:
		if !t.forgetKeys(name) {
			t.plan(t.at, kind, name)
		}
	case kindWindow:
		t.table(inWindows).Delete(name)
	case kindCalls:
		t.table(inCalls).Delete(name)
	case kindEntry:
		e, err := decodeEntry(0, t.table(inEntries).Get(name))
		if end := e.Changed.Add(counting.EntryLife); err == nil && t.at.Before(end) {
			t.plan(end, kind, name)
			return
		}
		t.table(inEntries).Delete(name)
		t.table(inCalls).Delete(name)
	}
}
