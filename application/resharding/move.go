package resharding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

var (
	errRefused = errors.New("pages can't be added")
	errForgot  = errors.New("it has forgotten what it took in")
	// errOvertaken: the source has given the arc up since it was claimed, as
	// another mover was first; the next look at what is left tells.
	errOvertaken = errors.New("the arc is claimed no more")
)

// move is one arc on its way.
type move struct {
	ctx                 context.Context
	table               counting.Epoch
	arc                 counting.Arc
	source, destination *cluster.Member

	claimed counting.FrozenPages
	pages   int             // that it has
	keyed   bool            // it has keys, too
	at      *cluster.Member // that was called last
	since   time.Time       // then
}

func (s *Service) newMove(v *cluster.View, arc counting.Arc) *move {
	return &move{ctx: s.ctx, table: v.Table(), arc: arc, source: v.Nodes[v.From(arc)], destination: v.Nodes[v.Owner(arc)]}
}

// bring copies what the source has of a claimed arc to the destination. closed:
// nothing more is to be done.
func (m *move) bring() (closed bool, err error) {
	m.pages = m.claimed.Pages
	if m.claimed.Stage == counting.Released { // somebody has confirmed it before
		return true, m.close()
	}
	closed, err = m.copyKeys()
	if err == nil && !closed {
		closed, err = m.copy()
	}
	if closed {
		m.pages = 0 // that another mover has moved
	}
	return closed, err
}

// finish lets the source forget what the destination has confirmed: in is
// that.
func (m *move) finish(in counting.ImportResult) error {
	if in.Closed {
		m.pages = 0
		return nil
	}
	if m.keyed && !in.Keys {
		return fmt.Errorf("keys of arc %d on %s: %w", m.arc, m.destination.ID(), errForgot)
	}
	// The number is that of the marks at the destination: it has to be that
	// of the pages, or the residue stays.
	err := m.call(m.source, func(ctx context.Context) error { return m.source.RetireArc(ctx, m.table, m.arc, in.Pages) })
	if err != nil {
		return err
	}
	return m.close()
}

func (m *move) close() error {
	return m.call(m.destination, func(ctx context.Context) error { return m.destination.CloseArc(ctx, m.table, m.arc, m.pages) })
}

// copyKeys brings the idempotency keys of the arc to the destination, and says
// there that these are all. To keep one again changes nothing. closed: another
// mover was first.
func (m *move) copyKeys() (closed bool, err error) {
	for cursor, more := "", true; more; more = cursor != "" {
		var keys []counting.StoredKey
		err := m.fetch(func(ctx context.Context) (err error) {
			keys, cursor, err = m.source.FetchKeys(ctx, m.table, m.arc, cursor)
			return err
		})
		if err != nil {
			return false, err
		}
		for part := range slices.Chunk(keys, counting.MaxImport) {
			m.keyed = true
			if closed, err := m.takeKeys(part); err != nil || closed {
				return closed, err
			}
		}
	}
	if !m.keyed {
		return false, nil
	}
	return m.takeKeys(nil)
}

func (m *move) takeKeys(keys []counting.StoredKey) (closed bool, err error) {
	err = m.call(m.destination, func(ctx context.Context) (err error) {
		closed, err = m.destination.ImportKeys(ctx, m.table, m.arc, keys)
		return err
	})
	return closed, err
}

// copy brings the residue to the destination. closed: another mover was first.
func (m *move) copy() (closed bool, err error) {
	refused := 0
	for cursor, more := "", true; more; more = cursor != "" {
		var pages []counting.Visit
		err := m.fetch(func(ctx context.Context) (err error) {
			pages, cursor, err = m.source.FetchPages(ctx, m.table, m.arc, cursor)
			return err
		})
		if err != nil {
			return false, err
		}
		for part := range slices.Chunk(pages, counting.MaxImport) {
			var in counting.ImportResult
			err := m.call(m.destination, func(ctx context.Context) (err error) {
				in, err = m.destination.Import(ctx, m.table, m.arc, part)
				return err
			})
			if err != nil || in.Closed {
				return in.Closed, err
			}
			refused += len(in.Refused)
		}
	}
	if refused > 0 {
		return false, fmt.Errorf("%w: %d of arc %d on %s", errRefused, refused, m.arc, m.destination.ID())
	}
	return false, nil
}

// fetch asks the source for some of what was claimed.
func (m *move) fetch(do func(context.Context) error) error {
	err := m.call(m.source, do)
	if errors.Is(err, counting.ErrUnfinished) {
		return errOvertaken
	}
	return err
}

// call makes one call of a node, which is the one to blame if it fails.
func (m *move) call(node *cluster.Member, do func(context.Context) error) error {
	m.at, m.since = node, time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, cluster.CallTimeout)
	defer cancel()
	return do(ctx)
}
