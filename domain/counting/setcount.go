package counting

// SetCount replaces the count of a page.
type SetCount struct {
	Arc  Arc
	Page Page
	// Count is at least 0. Delete: the page is deleted instead, and reads like
	// one that was never visited.
	Count  int64
	Delete bool
	// History, unless it is empty, is the history of the page from now on, in the same step (design: history). It
	// begins with Restored, and its buckets have at most Count visits. Without it, the history of the page starts
	// again with no bucket.
	History Packed
}
