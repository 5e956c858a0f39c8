package localnode

import (
	"context"
	"encoding/json"
	"time"

	"footfall/domain/counting"
)

// maxExpired bounds the dead letters that one transaction forgets because of their age.
const maxExpired = 256

// savedLetter is the stored form of a counting.DeadLetter; its key is the letter's.
type savedLetter struct {
	Endpoint string            `json:"endpoint"`
	Count    int64             `json:"count"`
	Delivery counting.Delivery `json:"delivery"`
	Owner    string            `json:"owner,omitempty"`
	Until    int64             `json:"until_ms,omitempty"`
}

// letters are the dead letters; nil where there were never any, or the bucket is broken.
// The sequence is their number.
func (t *tx) letters() bucket { return t.table(inLetters) }

// letter reads one; ok is false if it is not there, or broken.
func (t *tx) letter(key counting.DeadLetterKey) (s savedLetter, ok bool) {
	letters := t.letters()
	if letters == nil {
		return s, false
	}
	value := letters.Get([]byte(key))
	return s, value != nil && json.Unmarshal(value, &s) == nil
}

// saveLetter stores a letter, new or not. A broken bucket takes none.
func (t *tx) saveLetter(key counting.DeadLetterKey, s savedLetter) {
	letters, err := t.root.Create([]byte(inLetters))
	value, invalid := json.Marshal(s)
	if err != nil || invalid != nil {
		return
	}
	if letters.Get([]byte(key)) == nil {
		letters.SetSequence(letters.Sequence() + 1)
		t.addTo(lettersBytes, len(s.Endpoint))
	}
	letters.Put([]byte(key), value)
}

// Numbers about letters in inMeta.
const (
	lettersBytes   = "letters_bytes"
	lettersDropped = "letters_dropped"
)

// numberOf is one of them; 0 where there is none, or it is broken.
func (t *tx) numberOf(name string) int64 {
	n, _ := readCount(t.table(inMeta).Get([]byte(name)))
	return n
}

func (t *tx) addTo(name string, n int) {
	t.table(inMeta).Put([]byte(name), number(max(t.numberOf(name)+int64(n), 0)))
}

// addLetter stores a new letter, and deletes what is beyond the bounds.
func (t *tx) addLetter(key counting.DeadLetterKey, s savedLetter) {
	t.saveLetter(key, s)
	t.expireLetters()
	for letters := t.letters(); letters != nil && letters.Sequence() > 0; {
		if letters.Sequence() <= counting.MaxDeadLetters && t.numberOf(lettersBytes) <= counting.MaxDeadLetterBytes {
			return
		}
		oldest := firstKeys(letters, nil, 1)
		if len(oldest) == 0 {
			return
		}
		t.deleteLetter(counting.DeadLetterKey(oldest[0]))
		t.addTo(lettersDropped, 1)
	}
}

func (t *tx) deleteLetter(key counting.DeadLetterKey) {
	letters := t.letters()
	if letters == nil || letters.Get([]byte(key)) == nil {
		return
	}
	s, _ := t.letter(key)
	t.addTo(lettersBytes, -len(s.Endpoint))
	letters.Delete([]byte(key))
	letters.SetSequence(letters.Sequence() - 1)
}

// expired is before all letters that are kept at the time.
func (t *tx) expired() counting.DeadLetterKey {
	return counting.DeadLettersFrom(t.at.Add(-counting.DeadLetterLife))
}

// expireLetters deletes some letters that are old.
func (t *tx) expireLetters() {
	letters := t.letters()
	if letters == nil {
		return
	}
	var old []counting.DeadLetterKey
	for key := range letters.Scan(nil) {
		if len(old) == maxExpired || counting.DeadLetterKey(key) >= t.expired() {
			break
		}
		old = append(old, counting.DeadLetterKey(key))
	}
	for _, key := range old {
		t.deleteLetter(key)
	}
}

// summarizeLetters returns how many letters there are, and how many were dropped.
func (t *tx) summarizeLetters() (kept int, dropped int64) {
	if letters := t.letters(); letters != nil {
		kept = int(letters.Sequence())
	}
	return kept, t.numberOf(lettersDropped)
}

// ListDeadLetters implements counting.DeadLetters. A broken letter is left out.
func (n *core) ListDeadLetters(ctx context.Context, after counting.DeadLetterKey, limit int) (all []counting.DeadLetter, err error) {
	err = n.view(ctx, "list dead letters", isMember, func(t *tx) error {
		letters := t.letters()
		if letters == nil {
			return nil
		}
		for key := range letters.Scan([]byte(max(after, t.expired()))) {
			k := counting.DeadLetterKey(key)
			if len(all) >= min(limit, counting.MaxDeadLettersAtOnce) {
				break
			}
			if s, ok := t.letter(k); ok && k != after {
				all = append(all, counting.DeadLetter{Key: k, Endpoint: s.Endpoint, Count: s.Count, Delivery: s.Delivery})
			}
		}
		return nil
	})
	return all, err
}

// ClaimDeadLetters implements counting.DeadLetters.
func (n *core) ClaimDeadLetters(ctx context.Context, owner string, lease time.Duration, keys []counting.DeadLetterKey) (claims []counting.DeadLetterClaim, err error) {
	err = n.update(ctx, "claim dead letters", isMember, func(t *tx) error {
		for _, key := range keys {
			s, ok := t.letter(key)
			until := time.UnixMilli(s.Until)
			switch {
			case !ok:
				claims = append(claims, counting.DeadLetterAbsent)
			case s.Owner != "" && s.Owner != owner && t.at.Before(until) && !until.After(t.at.Add(counting.MaxLease)):
				claims = append(claims, counting.DeadLetterBusy)
			default:
				s.Owner, s.Until = owner, t.at.Add(lease).UnixMilli()
				t.saveLetter(key, s)
				claims = append(claims, counting.DeadLetterClaimed)
			}
		}
		return nil
	})
	return claims, err
}

// ReleaseDeadLetters implements counting.DeadLetters.
func (n *core) ReleaseDeadLetters(ctx context.Context, owner string, letters []counting.DeadLetter) error {
	return n.update(ctx, "release dead letters", isMember, func(t *tx) error {
		for _, l := range letters {
			if s, ok := t.letter(l.Key); ok && s.Owner == owner {
				s.Owner, s.Until, s.Delivery = "", 0, l.Delivery
				t.saveLetter(l.Key, s)
			}
		}
		return nil
	})
}

// ForgetDeadLetters implements counting.DeadLetters.
func (n *core) ForgetDeadLetters(ctx context.Context, keys []counting.DeadLetterKey) error {
	return n.update(ctx, "forget dead letters", isMember, func(t *tx) error {
		for _, key := range keys {
			t.deleteLetter(key)
		}
		return nil
	})
}

// AddDeadLetters implements counting.DeadLetters.
func (n *core) AddDeadLetters(ctx context.Context, owner string, lease time.Duration, letters []counting.DeadLetter) error {
	return n.update(ctx, "add dead letters", isMember, func(t *tx) error {
		for _, l := range letters {
			if _, ok := t.letter(l.Key); !ok {
				t.addLetter(l.Key, savedLetter{l.Endpoint, l.Count, l.Delivery, owner, t.at.Add(lease).UnixMilli()})
			}
		}
		return nil
	})
}
