package visits

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// ErrBadCursor says that List has not returned a cursor.
var ErrBadCursor = fmt.Errorf("%w: the cursor is of no listing", sharding.ErrBadChange)

// List returns some pages with their counts, node by node, from cursor on, which is
// empty at first. next is empty after the last page. The counts are read at different
// times. A page may come twice. A corrupt count is -1. Errors:
//   - sharding.ErrBusy: arcs are moving, or have moved since the listing began, which
//     has to start over;
//   - ErrBadCursor, counting.Corrupt, counting.ErrUnavailable.
func (s *Service) List(ctx context.Context, cursor string) (pages []counting.Visit, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	err = s.cluster.Retry(ctx, 0, func(v *cluster.View) (err error) {
		pages, next, err = list(ctx, v, cursor)
		return err
	})
	return pages, next, err
}

func list(ctx context.Context, v *cluster.View, cursor string) ([]counting.Visit, string, error) {
	member, inNode, err := parseCursor(v, cursor)
	if err != nil {
		return nil, "", err
	}
	for member < len(v.Nodes) && v.Away(member) { // its pages are on another node, or lost
		member, inNode = member+1, ""
	}
	if member == len(v.Nodes) {
		return nil, "", nil
	}
	pages, next, err := v.List(ctx, member, inNode)
	if err != nil {
		return nil, "", err
	}
	if next == "" {
		member++
	}
	if member == len(v.Nodes) {
		return pages, "", nil
	}
	return pages, base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", v.Table(), member, next)), nil
}

// parseCursor returns the member, by its index, and the cursor within it. The cursor
// also has the table, which must be the present one.
func parseCursor(v *cluster.View, cursor string) (member int, inNode string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	fields := strings.SplitN(string(text), " ", 3)
	if err != nil || len(fields) != 3 {
		return 0, "", ErrBadCursor
	}
	table, err1 := strconv.ParseInt(fields[0], 10, 64)
	member, err2 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || member < 0 {
		return 0, "", ErrBadCursor
	}
	if counting.Epoch(table) != v.Table() || member >= len(v.Nodes) {
		return 0, "", fmt.Errorf("%w: it was changed since the listing began, which has to start over", sharding.ErrBusy)
	}
	return member, fields[2], nil
}
