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
	_, answer, err := n.run(ctx, n.scripts.list, int64(epoch), arc, inArc, listPages, sharding.Arcs)
	if err != nil {
		return nil, "", fmt.Errorf("list pages of %s: %w", n.id, err)
	}
	next := ""
	if toInt(answer[0]) < sharding.Arcs {
		next = fmt.Sprint(answer[0], " ", answer[1])
	}
	var pages []counting.Visit
	for i := 2; i+1 < len(answer); i += 2 {
		found, _ := answer[i+1].([]any)
		pages = appendPages(pages, counting.Arc(toInt(answer[i])), found)
	}
	return pages, next, nil
}

// appendPages reads page, count, ... of an arc.
func appendPages(pages []counting.Visit, arc counting.Arc, found []any) []counting.Visit {
	for i := 0; i+1 < len(found); i += 2 {
		page, _ := found[i].(string)
		count, ok := parseCount(found[i+1])
		if !ok {
			count = -1
		}
		pages = append(pages, counting.Visit{Arc: arc, Page: counting.Page(page), Count: count})
	}
	return pages
}
