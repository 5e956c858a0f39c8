package embedded

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// listPages is the most that one List returns.
const listPages = 500

// List implements counting.Counts. The cursor is the last page that was
// returned.
func (n *Node) List(ctx context.Context, epoch counting.Epoch, cursor string) (pages []counting.Visit, next string, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		s, err := n.member(tx)
		if err != nil {
			return err
		}
		if err := s.Serves(epoch); err != nil {
			return err
		}
		c := tx.Bucket([]byte(inPages)).Cursor()
		for key, value := c.Seek([]byte(cursor)); key != nil; key, value = c.Next() {
			if string(key) == cursor {
				continue
			}
			if len(pages) == listPages {
				next = string(pages[len(pages)-1].Page)
				return nil
			}
			count, err := readCount(value)
			if err != nil {
				count = -1
			}
			page := counting.Page(key)
			pages = append(pages, counting.Visit{Arc: s.Opened.Arc(page), Page: page, Count: count})
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("embedded: list pages: %w", err)
	}
	return pages, next, nil
}
