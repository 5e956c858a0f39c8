package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Apply implements counting.Counts. It is one transaction whatever the size
// of the batch, so that a batch of many costs little more than one of one.
func (n *Node) Apply(ctx context.Context, b *counting.Batch) (receipt counting.Receipt, err error) {
	err = n.update(ctx, func(tx *bolt.Tx) (bool, error) {
		s, err := n.member(tx)
		if err != nil {
			return false, err
		}
		fence, opened, err := s.Epochs()
		if err != nil {
			return false, err
		}
		last, _, err := decodeSession(tx.Bucket([]byte(inSessions)).Get([]byte(b.Session)))
		if err != nil {
			return false, err
		}
		answer, err := last.Admit(b, fence, opened)
		if answer != nil {
			receipt = *answer
		}
		if answer != nil || err != nil {
			return false, err
		}
		if receipt.Refused, err = n.applyItems(tx, s, b); err != nil {
			return false, err
		}
		refused, err := n.addKeyed(tx, b)
		if err != nil {
			return false, err
		}
		receipt.Refused = append(receipt.Refused, refused...)
		if err := setPages(tx, b.SetCounts); err != nil {
			return false, err
		}
		return true, n.saveSession(tx, b, counting.Applied{Seq: b.Seq, Refused: receipt.Refused})
	})
	if err != nil {
		return counting.Receipt{}, fmt.Errorf("embedded: apply: %w", err)
	}
	return receipt, nil
}

func (n *Node) applyItems(tx *bolt.Tx, s sharding.RingState, b *counting.Batch) ([]counting.Refusal, error) {
	refused, err := addVisits(tx, b.Visits)
	if err != nil || len(b.IDEvents) == 0 {
		return refused, err
	}
	w, err := n.current(tx, s)
	if err != nil {
		return nil, err
	}
	a := arriving{tx: tx, seen: &n.seen, w: w, table: s.Opened.IDTable(w), limit: int64(b.EndpointLimit)}
	for i, arrival := range b.IDEvents {
		err := a.add(arrival)
		var reason counting.Reason
		if errors.As(err, &reason) {
			refused = append(refused, counting.Refusal{Item: len(b.Visits) + i, Reason: reason})
		} else if err != nil {
			return nil, err
		}
	}
	return refused, a.finish()
}

func addVisits(tx *bolt.Tx, visits []counting.Visit) (refused []counting.Refusal, err error) {
	pages := tx.Bucket([]byte(inPages))
	// The values belong to the transaction until it ends; one slice for all.
	values := make([]byte, 0, 8*len(visits))
	for i, v := range visits {
		key := []byte(v.Page)
		count, err := readCount(pages.Get(key))
		if err != nil {
			refused = append(refused, counting.Refusal{Item: i, Reason: counting.Corrupt})
			continue
		}
		sum, ok := counting.AddChecked(count, v.Count)
		if !ok {
			refused = append(refused, counting.Refusal{Item: i, Reason: counting.Overflow})
			continue
		}
		values = binary.BigEndian.AppendUint64(values, uint64(sum))
		if err := put(pages, key, values[len(values)-8:]); err != nil {
			return nil, err
		}
	}
	return refused, nil
}

func setPages(tx *bolt.Tx, settings []counting.SetCount) error {
	pages := tx.Bucket([]byte(inPages))
	for _, s := range settings {
		var err error
		if s.Delete {
			err = remove(pages, []byte(s.Page))
		} else {
			err = put(pages, []byte(s.Page), number(s.Count))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) saveSession(tx *bolt.Tx, b *counting.Batch, applied counting.Applied) error {
	now, key := n.now(), []byte(b.Session)
	if b.Seq == 1 {
		if err := plan(tx, now.Add(counting.SessionLife), aSession, key); err != nil {
			return err
		}
	}
	return put(tx.Bucket([]byte(inSessions)), key, encodeSession(applied, now))
}

// Read implements counting.Counts.
func (n *Node) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) (tallies []counting.Tally, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		s, err := n.member(tx)
		if err != nil {
			return err
		}
		if err := s.Serves(epoch); err != nil {
			return err
		}
		tallies = make([]counting.Tally, len(pages))
		b := tx.Bucket([]byte(inPages))
		for i, p := range pages {
			tallies[i].Visits, tallies[i].Err = readCount(b.Get([]byte(p.Page)))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("embedded: read: %w", err)
	}
	return tallies, nil
}
