package redisnode

import (
	"context"
	"fmt"
	"strings"

	"footfall/domain/counting"
)

const (
	// fetchSize is about how many keys and pages one call of Fetch returns.
	fetchSize = counting.MaxImport
	// sweepKeys is about how many keys one call of Sweep looks at.
	sweepKeys = 1000
)

// IncomingArcs implements counting.Movable.
func (n *Node) IncomingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	answer, err := n.run(ctx, "incoming", int64(table))
	return unpackArcs(answer.text(0)), err
}

// ClaimArcs implements counting.Movable. It also waits for the disk. If a power cut
// undid a claim, it would undo batches that the destination has imported with the
// pages, and instances would send them again.
func (n *Node) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	answer, err := n.synced(ctx, "claim_arcs", int64(table), packArcList(arcs))
	if err = answer.check(2*len(arcs), err); err != nil {
		return nil, err
	}
	all := make([]counting.FrozenPages, len(arcs))
	for i, arc := range arcs {
		all[i] = counting.FrozenPages{Stage: parseStage(answer.text(2 * i)), Pages: answer.int(2*i + 1)}
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
	answer, err := n.run(ctx, "fetch", int64(table), uint64(arc), cursor, fetchSize)
	if err != nil {
		return c, "", err
	}
	if c.Keys, err = parseKeys(counting.Day(answer.int64(1)), answer.list(2)); err != nil {
		return counting.Chunk{}, "", fmt.Errorf("fetch arc %d of %s: %w", arc, n.id, err)
	}
	c.LastKeys, c.Pages = answer.text(3) == "1", appendPages(nil, arc, answer.list(4))
	histories := answer.list(5)
	for i := range histories {
		c.Histories = append(c.Histories, counting.Packed(histories.text(i)))
	}
	c.Since, c.Floor = timeOf(answer.int64(6)), timeOf(answer.int64(7))
	return c, answer.text(0), nil
}

// parseKeys reads key, print, ... of a day.
func parseKeys(day counting.Day, found answer) (keys []counting.StoredKey, err error) {
	for i := 0; i+1 < len(found); i += 2 {
		key, fingerprint := []byte(found.text(i)), []byte(found.text(i+1))
		if len(key) != len(counting.Key{}) || len(fingerprint) != len(counting.Fingerprint{}) {
			return nil, counting.Corrupt
		}
		stored := counting.RequestKey{Key: counting.Key(key), Print: counting.Fingerprint(fingerprint)}
		keys = append(keys, counting.StoredKey{RequestKey: stored, Day: day})
	}
	return keys, nil
}

// Import implements counting.Movable.
func (n *Node) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	answer, err := n.run(ctx, "import", int64(table), uint64(arc), packStoredKeys(c.Keys), c.LastKeys, packImport(c), unixSeconds(c.Since), unixSeconds(c.Floor))
	if err != nil {
		return counting.ImportResult{}, err
	}
	result := importResult(answer)
	for excess := answer.list(3); len(excess) > 1; excess = excess[2:] {
		if i := excess.int(0); i < len(c.Pages) {
			result.Excess = append(result.Excess, counting.Visit{Arc: arc, Page: c.Pages[i].Page, Count: excess.int64(1)})
		}
	}
	result.Refused, err = parseRefused(answer.text(2))
	return result, err
}

// importResult reads the number of pages, and whether the keys are there. An answer
// without them is that of a closed arc.
func importResult(a answer) counting.ImportResult {
	return counting.ImportResult{Pages: a.int(0), Keys: a.text(1) == "1", Closed: len(a) < 2}
}

// Confirm implements counting.Movable. It also waits for the disk, because the source
// deletes its frozen pages next. A power cut must not undo what was imported. What it
// reads and what it waits for are of one server, even after a failover.
func (n *Node) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	answer, err := n.synced(ctx, "confirm", int64(table), packArcList(arcs))
	if err = answer.check(len(arcs), err); err != nil {
		return nil, err
	}
	all := make([]counting.ImportResult, len(arcs))
	for i := range arcs {
		all[i] = importResult(answer.list(i))
	}
	return all, nil
}

// ImportEntries implements counting.Movable. It waits for the disk as Confirm does,
// because the node that had the entries is removed next.
func (n *Node) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	_, err := n.synced(ctx, "import_entries",
		int64(table), seconds(counting.EntryLife), seconds(counting.WindowLife), packEntries(entries))
	return err
}

// RetireArc implements counting.Movable.
func (n *Node) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	_, err := n.replicated(ctx, "retire_arc", int64(table), uint64(arc), pages)
	return err
}

// CloseArc implements counting.Movable.
func (n *Node) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	_, err := n.replicated(ctx, "close_arc", int64(table), uint64(arc), pages)
	return err
}

// ReadParts implements counting.Movable.
func (n *Node) ReadParts(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Part, error) {
	answer, err := n.run(ctx, "read_parts", int64(e.Epoch), string(e.Session), e.Seq, packPages(pages))
	if err = answer.check(3*len(pages), err); err != nil {
		return nil, err
	}
	parts := make([]counting.Part, len(pages))
	for i := range parts {
		parts[i] = parsePart(answer[3*i:])
	}
	return parts, nil
}

// parsePart reads a count, a frozen count and three letters.
func parsePart(a answer) counting.Part {
	visits, ok1 := a.count(0)
	frozen, ok2 := a.count(1)
	letters := a.text(2)
	if !ok1 || !ok2 || len(letters) != 3 {
		return counting.Part{Err: counting.Corrupt}
	}
	return counting.Part{
		Visits: visits, Stage: parseStage(letters), Frozen: frozen,
		Marked: letters[1] == '1', Closed: letters[2] == '1',
	}
}

// FindKeys implements counting.Movable.
func (n *Node) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	answer, err := n.run(ctx, "find_keys", int64(epoch), "", 0, packKeys(keys))
	if err = answer.check(len(keys), err); err != nil {
		return nil, err
	}
	found := make([]counting.KeyLookup, len(keys))
	for i, a := range answer {
		hash, ok := a.(string)
		switch {
		case !ok: // it isn't there
		case len(hash) != len(found[i].Print):
			found[i].Err = counting.Corrupt
		default:
			found[i] = counting.KeyLookup{Stored: true, Print: counting.Fingerprint([]byte(hash))}
		}
	}
	return found, nil
}

// Sweep implements counting.Movable. The cursor is that of SCAN, which returns every key
// that exists throughout. It reads the names of keys only.
func (n *Node) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (counting.SweepResult, string, error) {
	answer, err := n.run(ctx, "sweep", int64(table), int64(k.Ended), int64(k.Since), packArcs(k.Arcs), cursor, sweepKeys)
	if err != nil {
		return counting.SweepResult{}, "", err
	}
	s := counting.SweepResult{Forgotten: answer.int(1)}
	for i := 2; i < len(answer); i += 4 {
		s.Orphans = append(s.Orphans, counting.Orphan{
			Quarantined: answer[i] == "s", Excess: answer[i] == "o", Arc: counting.Arc(answer.int(i + 1)), Table: counting.Epoch(answer.int64(i + 2)), Pages: answer.int(i + 3),
		})
	}
	return s, answer.text(0), nil
}
