package redisnode

import (
	"context"
	"fmt"
	"strings"

	"footfall/domain/counting"
)

// fetchSize is about how many keys and pages one call of Fetch returns.
const fetchSize = counting.MaxImport

// IncomingArcs implements counting.Movable.
func (n *Node) IncomingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	_, answer, err := n.run(ctx, n.scripts.incoming, int64(table))
	if err != nil {
		return nil, fmt.Errorf("list incoming arcs on %s: %w", n.id, err)
	}
	bits, _ := answer[0].(string)
	return unpackArcs(bits), nil
}

// ClaimArcs implements counting.Movable. It also waits for the disk. If a power cut
// undid a claim, it would undo batches that the destination has imported with the
// pages, and instances would send them again.
func (n *Node) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	answer, err := n.synced(ctx, n.scripts.claimArcs, int64(table), packArcList(arcs))
	if err != nil {
		return nil, fmt.Errorf("claim %d arcs on %s: %w", len(arcs), n.id, err)
	}
	if len(answer) != 2*len(arcs) {
		return nil, fmt.Errorf("claim %d arcs on %s: %d answers", len(arcs), n.id, len(answer))
	}
	all := make([]counting.FrozenPages, len(arcs))
	for i, arc := range arcs {
		letter, _ := answer[2*i].(string)
		all[i] = counting.FrozenPages{Stage: parseStage(letter), Pages: int(toInt(answer[2*i+1]))}
		if all[i].Stage == counting.Live {
			all[i].Err = fmt.Errorf("claim arc %d on %s: %w", arc, n.id, counting.Corrupt)
		}
	}
	return all, nil
}

// parseStage reads the letter that a stage begins with.
func parseStage(text string) counting.Stage {
	switch {
	case strings.HasPrefix(text, "c"):
		return counting.Frozen
	case strings.HasPrefix(text, "d"):
		return counting.Released
	}
	return counting.Live
}

// Fetch implements counting.Movable. The cursor has that of HSCAN, which returns
// every field of a hash that does not change. Corrupt: a key or its fingerprint has
// another length.
func (n *Node) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (c counting.Chunk, next string, err error) {
	_, answer, err := n.run(ctx, n.scripts.fetch, int64(table), uint64(arc), cursor, fetchSize)
	if err != nil {
		return c, "", fmt.Errorf("fetch arc %d of %s: %w", arc, n.id, err)
	}
	next, _ = answer[0].(string)
	keys, _ := answer[2].([]any)
	if c.Keys, err = parseKeys(counting.Day(toInt(answer[1])), keys); err != nil {
		return counting.Chunk{}, "", fmt.Errorf("fetch arc %d of %s: %w", arc, n.id, err)
	}
	pages, _ := answer[4].([]any)
	c.LastKeys, c.Pages = answer[3] == "1", appendPages(nil, arc, pages)
	return c, next, nil
}

// parseKeys reads key, print, ... of a day.
func parseKeys(day counting.Day, found []any) (keys []counting.StoredKey, err error) {
	for i := 0; i+1 < len(found); i += 2 {
		key, _ := found[i].(string)
		hash, _ := found[i+1].(string)
		stored := counting.StoredKey{Day: day}
		if len(key) != len(stored.Key) || len(hash) != len(stored.Print) {
			return nil, counting.Corrupt
		}
		copy(stored.Key[:], key)
		copy(stored.Print[:], hash)
		keys = append(keys, stored)
	}
	return keys, nil
}

// Import implements counting.Movable.
func (n *Node) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	_, answer, err := n.run(ctx, n.scripts.importChunk, int64(table), uint64(arc), packStoredKeys(c.Keys), c.LastKeys, packImport(c.Pages))
	if err != nil {
		return counting.ImportResult{}, fmt.Errorf("import arc %d on %s: %w", arc, n.id, err)
	}
	if len(answer) == 0 {
		return counting.ImportResult{Closed: true}, nil
	}
	refused, err := parseRefused(answer[2])
	return counting.ImportResult{Pages: int(toInt(answer[0])), Keys: answer[1] == "1", Refused: refused}, err
}

// Confirm implements counting.Movable. It also waits for the disk, because the source
// deletes its frozen pages next. A power cut must not undo what was imported. What it
// reads and what it waits for are of one server, even after a failover.
func (n *Node) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	answer, err := n.synced(ctx, n.scripts.confirm, int64(table), packArcList(arcs))
	if err != nil {
		return nil, fmt.Errorf("confirm %d arcs on %s: %w", len(arcs), n.id, err)
	}
	if len(answer) != len(arcs) {
		return nil, fmt.Errorf("confirm %d arcs on %s: %d answers", len(arcs), n.id, len(answer))
	}
	all := make([]counting.ImportResult, len(arcs))
	for i, a := range answer {
		found, _ := a.([]any)
		if len(found) < 2 {
			all[i].Closed = true
			continue
		}
		all[i].Pages, all[i].Keys = int(toInt(found[0])), toInt(found[1]) == 1
	}
	return all, nil
}

// ImportEntries implements counting.Movable. It waits for the disk as Confirm does,
// because the node that had the entries is removed next.
func (n *Node) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	_, err := n.synced(ctx, n.scripts.importEntries,
		int64(table), seconds(counting.EntryLife), seconds(counting.WindowLife), packEntries(entries))
	if err != nil {
		return fmt.Errorf("import %d entries on %s: %w", len(entries), n.id, err)
	}
	return nil
}

// RetireArc implements counting.Movable.
func (n *Node) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	if _, err := n.replicated(ctx, n.scripts.retireArc, int64(table), uint64(arc), pages); err != nil {
		return fmt.Errorf("retire arc %d on %s: %w", arc, n.id, err)
	}
	return nil
}

// CloseArc implements counting.Movable.
func (n *Node) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	if _, err := n.replicated(ctx, n.scripts.closeArc, int64(table), uint64(arc), pages); err != nil {
		return fmt.Errorf("close arc %d on %s: %w", arc, n.id, err)
	}
	return nil
}

// ReadParts implements counting.Movable.
func (n *Node) ReadParts(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Part, error) {
	_, answer, err := n.run(ctx, n.scripts.readParts, int64(epoch), packPages(pages))
	if err != nil {
		return nil, fmt.Errorf("read parts on %s: %w", n.id, err)
	}
	if len(answer) != 3*len(pages) {
		return nil, fmt.Errorf("read parts on %s: %d answers for %d pages", n.id, len(answer), len(pages))
	}
	parts := make([]counting.Part, len(pages))
	for i := range parts {
		visits, ok1 := parseCount(answer[3*i])
		frozen, ok2 := parseCount(answer[3*i+1])
		letters, _ := answer[3*i+2].(string)
		if !ok1 || !ok2 || len(letters) != 3 {
			parts[i].Err = counting.Corrupt
			continue
		}
		parts[i] = counting.Part{
			Visits: visits, Stage: parseStage(letters), Frozen: frozen,
			Marked: letters[1] == '1', Closed: letters[2] == '1',
		}
	}
	return parts, nil
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
