package resharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

var (
	errRefused = errors.New("pages can't be added")
	errForgot  = errors.New("it has lost what it imported")
	// errSuperseded: the source has released the arc since it was claimed, because
	// another mover was first. The next round sees that.
	errSuperseded = errors.New("the arc is not claimed any more")
)

// move is the move of one arc.
type move struct {
	ctx                 context.Context
	table               counting.Epoch
	arc                 counting.Arc
	source, destination *cluster.Member

	log    *slog.Logger
	excess *atomic.Int64 // pages whose sum passed 2^63-1

	claimed counting.FrozenPages
	pages   int             // that this move has moved; 0 if another mover was first
	keyed   bool            // the arc has keys, too
	at      *cluster.Member // called last
	since   time.Time       // of that call
}

func (s *Service) newMove(v *cluster.View, arc counting.Arc) *move {
	return &move{ctx: s.ctx, table: v.Table(), arc: arc, source: v.Nodes[v.From(arc)], destination: v.Nodes[v.Owner(arc)], log: s.Log, excess: &s.excess}
}

// transfer copies the keys and frozen pages of a claimed arc to the destination.
// closed: nothing is left to do.
func (m *move) transfer() (closed bool, err error) {
	m.pages = m.claimed.Pages
	if m.claimed.Stage == counting.Released { // another mover has confirmed it
		return true, m.close()
	}
	if closed, err = m.copy(); closed {
		m.pages = 0 // another mover has moved them
	}
	return closed, err
}

// finish retires the arc at the source, as far as the destination has confirmed it, and
// closes it at the destination.
func (m *move) finish(in counting.ImportResult) error {
	if in.Closed {
		m.pages = 0
		return nil
	}
	if m.keyed && !in.Keys {
		return fmt.Errorf("keys of arc %d on %s: %w", m.arc, m.destination.ID(), errForgot)
	}
	// The number is that of the marks at the destination. The source compares it
	// with that of its frozen pages.
	err := m.call(m.source, func(ctx context.Context) error { return m.source.RetireArc(ctx, m.table, m.arc, in.Pages) })
	if err != nil {
		return err
	}
	return m.close()
}

func (m *move) close() error {
	return m.call(m.destination, func(ctx context.Context) error { return m.destination.CloseArc(ctx, m.table, m.arc, m.pages) })
}

// copy copies the keys and the frozen pages to the destination. Importing one twice
// changes nothing. closed: another mover was first.
func (m *move) copy() (closed bool, err error) {
	refused := 0
	for cursor, more := "", true; more; more = cursor != "" {
		var chunk counting.Chunk
		err := m.call(m.source, func(ctx context.Context) (err error) {
			chunk, cursor, err = m.source.Fetch(ctx, m.table, m.arc, cursor)
			return err
		})
		if errors.Is(err, counting.ErrUnfinished) {
			return false, errSuperseded
		}
		if err != nil {
			return false, err
		}
		m.keyed = m.keyed || chunk.LastKeys
		for _, part := range chunk.Parts() {
			var in counting.ImportResult
			err := m.call(m.destination, func(ctx context.Context) (err error) {
				in, err = m.destination.Import(ctx, m.table, m.arc, part)
				return err
			})
			if err != nil || in.Closed {
				return in.Closed, err
			}
			refused += len(in.Refused)
			m.report(in.Excess)
		}
	}
	if refused > 0 {
		return false, fmt.Errorf("%w: %d of arc %d on %s", errRefused, refused, m.arc, m.destination.ID())
	}
	return false, nil
}

// report logs and counts what an import put in quarantine. The log has all of them: a page
// passes 2^63-1 at most once in a move.
func (m *move) report(excess []counting.Visit) {
	m.excess.Add(int64(len(excess)))
	for _, v := range excess {
		m.log.Error("page passed 2^63-1 when its arc moved, and the excess is in no count",
			"page_id", v.Page, "excess", v.Count, "arc", m.arc, "table", m.table, "node", m.destination.ID())
	}
}

// call makes one call of a node, and notes the node, to blame it if the call fails.
func (m *move) call(node *cluster.Member, do func(context.Context) error) error {
	m.at, m.since = node, time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, cluster.CallTimeout)
	defer cancel()
	return do(ctx)
}
