package pagestats

import (
	"context"
	"fmt"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// nodeScan reads the pages of one node that it owns by a table of the ring.
type nodeScan struct {
	*Service
	table  counting.Epoch
	member int
	server counting.NodeID // that has the node
	// histories: the pages are read with their histories, where the node keeps them.
	histories bool
	take      func(counting.HistoryList)

	// A page may come twice among the pages of its arc: seen are those of the arc at.
	at   counting.Arc
	seen map[counting.Page]struct{}
}

// run calls take with all pages, each once. Its errors are errChanged and those of
// cluster.View.List, but ErrStale.
func (n *nodeScan) run(ctx context.Context) error {
	n.seen = make(map[counting.Page]struct{})
	for cursor := ""; ; {
		if n.rest(ctx); ctx.Err() != nil {
			return ctx.Err()
		}
		pages, next, err := n.list(ctx, cursor)
		if err != nil {
			return err
		}
		n.take(pages.Keep(n.isNew))
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// list returns some pages and the next cursor. A cursor is of no use to another server.
func (n *nodeScan) list(ctx context.Context, cursor string) (pages counting.HistoryList, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	began := time.Now()
	err = n.Cluster.Retry(ctx, 0, func(v *cluster.View) (err error) {
		if v.Table() != n.table {
			return errChanged
		}
		if n.histories && v.Nodes[n.member].Histories != nil {
			pages, next, err = v.ListHistories(ctx, n.member, cursor)
		} else {
			pages.Pages, next, err = v.List(ctx, n.member, cursor)
			pages.Histories = make([]counting.Packed, len(pages.Pages))
		}
		if err != nil {
			return err
		}
		if at := v.Nodes[n.member].Via(); at != n.server {
			return fmt.Errorf("%w: %s is at %s", errChanged, v.Nodes[n.member].ID(), at)
		}
		return nil
	})
	n.called(n.server, time.Now(), time.Since(began))
	return pages, next, err
}

// isNew tells whether a page did not come before.
func (n *nodeScan) isNew(p counting.Visit) bool {
	if p.Arc != n.at {
		n.at = p.Arc
		clear(n.seen)
	}
	_, known := n.seen[p.Page]
	n.seen[p.Page] = struct{}{}
	return !known
}

// rest waits until the server may be asked again.
func (n *nodeScan) rest(ctx context.Context) {
	n.mu.Lock()
	until := n.rests[n.server]
	n.mu.Unlock()
	cluster.Pause(ctx, time.Until(until))
}

// called notes that a call of a server has ended, and how long it took.
func (s *Service) called(server counting.NodeID, ended time.Time, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rests[server] = ended.Add(restFactor * took)
}
