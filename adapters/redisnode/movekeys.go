package redisnode

import (
	"context"
	"fmt"

	"footfall/domain/counting"
)

// FetchKeys implements counting.Movable.
func (n *Node) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.StoredKey, string, error) {
	_, answer, err := n.run(ctx, n.scripts.fetchKeys, int64(table), uint64(arc), cursor, fetchPages)
	if err != nil {
		return nil, "", fmt.Errorf("fetch keys of arc %d of %s: %w", arc, n.id, err)
	}
	next, _ := answer[0].(string)
	day := counting.Day(toInt(answer[1]))
	found, _ := answer[2].([]any)
	keys := make([]counting.StoredKey, 0, len(found)/2)
	for i := 0; i+1 < len(found); i += 2 {
		key, _ := found[i].(string)
		hash, _ := found[i+1].(string)
		kept := counting.StoredKey{Day: day}
		if len(key) != len(kept.Key) || len(hash) != len(kept.Print) {
			return nil, "", fmt.Errorf("fetch keys of arc %d of %s: %w", arc, n.id, counting.Corrupt)
		}
		copy(kept.Key[:], key)
		copy(kept.Print[:], hash)
		keys = append(keys, kept)
	}
	return keys, next, nil
}

// ImportKeys implements counting.Movable.
func (n *Node) ImportKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.StoredKey) (closed bool, err error) {
	_, answer, err := n.run(ctx, n.scripts.importKeys, int64(table), uint64(arc), packKept(keys))
	if err != nil {
		return false, fmt.Errorf("take keys of arc %d on %s: %w", arc, n.id, err)
	}
	return len(answer) == 0, nil
}

// FindKeys implements counting.Movable.
func (n *Node) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	_, answer, err := n.run(ctx, n.scripts.findKeys, int64(epoch), packKeys(keys))
	if err != nil {
		return nil, fmt.Errorf("find keys on %s: %w", n.id, err)
	}
	if len(answer) != len(keys) {
		return nil, fmt.Errorf("find keys on %s: %d answers for %d keys", n.id, len(answer), len(keys))
	}
	found := make([]counting.KeyLookup, len(keys))
	for i, a := range answer {
		hash, ok := a.(string)
		switch {
		case !ok: // it isn't there
		case len(hash) != len(found[i].Print):
			found[i].Err = counting.Corrupt
		default:
			found[i].Stored = true
			copy(found[i].Print[:], hash)
		}
	}
	return found, nil
}
