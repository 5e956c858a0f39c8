package localnode

import (
	"slices"
	"time"

	"footfall/domain/counting"
)

// fetchHistories adds the histories of its pages to a chunk.
func (t *tx) fetchHistories(c *counting.Chunk) error {
	h, err := t.history()
	if err != nil || !h.keeps() {
		return err
	}
	c.Since, c.Floor = h.Since, h.Floor
	units := h.units()
	for _, v := range c.Pages {
		c.Histories = append(c.Histories, h.of(t.appendPage(nil, v.Arc, v.Page), units))
	}
	return nil
}

// historySince is the history of the node, which begins no earlier than that of the pages of a chunk. Pages of a
// node that keeps none have visits up to now that are in no bucket.
func (t *tx) historySince(c counting.Chunk) (history, error) {
	h, err := t.history()
	if err == nil && len(c.Pages) > 0 && c.Since.IsZero() {
		c.Since = time.Unix(t.at.Unix(), 0).UTC()
	}
	if err != nil || !h.keeps() || !c.Since.After(h.Since) && !c.Floor.After(h.Floor) {
		return h, err
	}
	if c.Since.After(h.Since) {
		h.Since = c.Since
	}
	if c.Floor.After(h.Floor) {
		h.Floor = c.Floor
	}
	return h, t.saveHistory(h.HistoryState)
}

// add appends to the packed history of the page of a key.
func (h *history) add(key []byte, p counting.Packed) {
	if h.keeps() && p != "" {
		h.packed.Put(key, []byte(counting.Packed(h.packed.Get(key))+p))
	}
}

// dropBeside deletes the keys and the histories of an arc, and tells whether there were any.
func (t *tx) dropBeside(arc counting.Arc) bool {
	keys, h, histories := t.dropKeys(arc), t.historyTables(), 0
	if h.keeps() {
		histories = clearPrefix(h.packed, arcKey(arc))
		for _, u := range h.units() {
			histories += clearPrefix(h.open, slices.Concat(unitKey(u), arcKey(arc)))
		}
	}
	return keys || histories > 0
}

// arcs are those with histories, in no order.
func (h *history) arcs() (arcs []counting.Arc) {
	if !h.keeps() {
		return nil
	}
	for key := range h.open.Scan(nil) {
		arcs = append(arcs, arcOf(key[unitBytes:]))
	}
	return append(arcs, arcsIn(h.packed)...)
}
