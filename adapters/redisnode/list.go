package redisnode

import (
	"context"
	"fmt"
	"strings"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// listPages is about how many pages one call of List returns.
const listPages = 500

// List implements counting.Counts. The cursor is the arc and the cursor of
// HSCAN in it. Corrupt: an arc is no hash.
func (n *Node) List(ctx context.Context, epoch counting.Epoch, cursor string) ([]counting.Visit, string, error) {
	if cursor == "" {
		cursor = "0 0"
	}
	arc, inArc, ok := strings.Cut(cursor, " ")
	if !ok {
		return nil, "", fmt.Errorf("list pages of %s: %w: the cursor is another node's", n.id, counting.ErrNotApplied)
	}
	answer, err := n.run(ctx, n.scripts.list, int64(epoch), arc, inArc, listPages, sharding.Arcs)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if answer.int(0) < sharding.Arcs {
		next = answer.text(0) + " " + answer.text(1)
	}
	var pages []counting.Visit
	for i := 2; i < len(answer); i += 2 {
		pages = appendPages(pages, counting.Arc(answer.int(i)), answer.list(i+1))
	}
	return pages, next, nil
}

// appendPages reads page, count, ... of an arc.
func appendPages(pages []counting.Visit, arc counting.Arc, found answer) []counting.Visit {
	for i := 0; i+1 < len(found); i += 2 {
		count, ok := found.count(i + 1)
		if !ok {
			count = -1
		}
		pages = append(pages, counting.Visit{Arc: arc, Page: counting.Page(found.text(i)), Count: count})
	}
	return pages
}
