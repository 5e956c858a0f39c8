package localnode

import (
	"os"
	"time"

	"footfall/domain/counting"
)

// OpenWith lets the test hold the file that the node opens at its next start.
func (f *File) OpenWith(open func(name string, flag int, mode os.FileMode) (*os.File, error)) {
	f.open = open
}

// CheckFor bounds how long the next starts check the file.
func (f *File) CheckFor(d time.Duration) { f.checking = d }

// spoil changes the store past the node.
func (n *core) spoil(change func(t *tx) error) error {
	return n.driver.Update(func(root bucket) error { return change(&tx{core: n, root: root, pages: table(root, inPages)}) })
}

// SpoilPage puts something under a page that is no count.
func (n *core) SpoilPage(at counting.Located) error {
	return n.spoil(func(t *tx) error {
		t.pages.Put(t.appendPage(nil, at.Arc, at.Page), []byte("no count at all"))
		return nil
	})
}

// SpoilHistory puts something in the place of the packed history of a page that is none.
func (n *core) SpoilHistory(at counting.Located) error {
	return n.spoil(func(t *tx) error {
		t.table(inPacked).Put(t.appendPage(nil, at.Arc, at.Page), []byte("no history"))
		return nil
	})
}

// SpoilBucket puts something in the place of an open bucket that is no number.
func (n *core) SpoilBucket(u counting.Unit, page counting.Page) error {
	return n.spoil(func(t *tx) error {
		t.table(inOpen).Put(append(unitKey(u), page...), []byte("no number"))
		return nil
	})
}

// SpoilSetting puts something in the place of what the node keeps.
func (n *core) SpoilSetting() error {
	return n.spoil(func(t *tx) error {
		t.table(inMeta).Put([]byte("history"), []byte("1h:32d"))
		return nil
	})
}

// StoredHistory is the number of open buckets and that of packed histories.
func (n *core) StoredHistory() (stored [2]int, err error) {
	return stored, n.driver.View(func(root bucket) error {
		for i, name := range []string{inOpen, inPacked} {
			stored[i] = len(firstKeys(table(root, name), nil, unlimited))
		}
		return nil
	})
}

// SpoilWindow puts something under the ids of a window that is no set.
func (n *core) SpoilWindow(w counting.Window) error {
	return n.spoil(func(t *tx) error {
		t.table(inWindows).Put(ordered(w), []byte("no set"))
		return nil
	})
}

// SpoilNumber puts something in the place of the number of a window's ids.
func (n *core) SpoilNumber(w counting.Window, value []byte) error {
	return n.spoil(func(t *tx) error {
		kept, err := t.table(inWindows).Create(ordered(w))
		if err == nil {
			kept.Put([]byte("n"), value)
		}
		return err
	})
}

// SpoilEntry puts a text in the place of the entry of a window.
func (n *core) SpoilEntry(w counting.Window, text string) error {
	return n.spoil(func(t *tx) error {
		t.table(inEntries).Put(ordered(w), []byte(text))
		return nil
	})
}

// SpoilEntryByBucket puts a bucket in the place of the entry of a window.
func (n *core) SpoilEntryByBucket(w counting.Window) error {
	return n.spoil(func(t *tx) error {
		_, err := t.table(inEntries).Create(ordered(w))
		return err
	})
}

// SpoilKeys puts keys among the waiting windows and the entries that name no
// window.
func (n *core) SpoilKeys() error {
	return n.spoil(func(t *tx) error {
		for _, in := range []string{inWaiting, inEntries} {
			for _, key := range []string{"a", "\x80 no window"} {
				t.table(in).Put([]byte(key), present())
			}
		}
		return nil
	})
}

// SpoilPlan plans to forget keys of a day that is none.
func (n *core) SpoilPlan(at time.Time) error {
	return n.spoil(func(t *tx) error {
		t.plan(at, kindKeys, []byte("no day"))
		return nil
	})
}

// Stored is what the store has past what the ports show.
type Stored struct {
	Sessions map[counting.Session]counting.Applied
	Keyed    []counting.KeyedVisit // without visits
}

// Stored reads it.
func (n *core) Stored() (s Stored, err error) {
	s.Sessions = make(map[counting.Session]counting.Applied)
	return s, n.driver.View(func(root bucket) error {
		t := &tx{core: n, root: root}
		for name, value := range t.table(inSessions).Scan(nil) {
			if s.Sessions[counting.Session(name)], _, err = decodeSession(value); err != nil {
				return err
			}
		}
		for _, of := range t.keyDays(true) {
			for name, value := range of.Scan(nil) {
				k := counting.KeyedVisit{Visit: counting.Visit{Arc: counting.Arc(name[0])<<8 | counting.Arc(name[1])}}
				copy(k.Key[:], name[2:])
				copy(k.Print[:], value)
				s.Keyed = append(s.Keyed, k)
			}
		}
		return nil
	})
}
