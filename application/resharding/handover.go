package resharding

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// entriesAtOnce is how many entries one call asks for, and how many of them and of
// their calls one gives, but that those of one window go together.
const entriesAtOnce = 512

// errKept: a member that has left can't be let go.
var errKept = errors.New("what it knows of windows can't be kept elsewhere")

// leaving are the members of a view that the next ring lets go.
func leaving(v *cluster.View, next *sharding.Ring) (all []*cluster.Member) {
	for i, m := range v.Nodes {
		if !v.Away(i) && next.Index(m.ID()) < 0 {
			all = append(all, m)
		}
	}
	return all
}

// handOver gives the entries of windows that members have to their homes by the
// next ring, which lets these members go: they change no more, as the windows
// are over everywhere. It may be repeated, by several at once. An error keeps the
// change from being made: it is counting.ErrUnavailable.
func (s *Service) handOver(ctx context.Context, v *cluster.View, next *sharding.Ring, gone []*cluster.Member) error {
	for _, from := range gone {
		for before := counting.Window(math.MaxInt64); ; {
			entries, err := entriesOf(ctx, from, before)
			if err == nil {
				err = s.give(ctx, v, next, from, entries)
			}
			if err != nil {
				return fmt.Errorf("%w: %w: node %s: %w", counting.ErrUnavailable, errKept, from.ID(), err)
			}
			if len(entries) == 0 {
				break
			}
			before = entries[len(entries)-1].Window
		}
	}
	return nil
}

func entriesOf(ctx context.Context, m *cluster.Member, before counting.Window) ([]counting.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return m.Entries(ctx, before, entriesAtOnce)
}

// give gives some entries of a node away, each with its calls.
func (s *Service) give(ctx context.Context, v *cluster.View, next *sharding.Ring, from *cluster.Member, entries []counting.Entry) error {
	to, size := make([][]counting.FullEntry, len(v.Nodes)), 0
	for _, e := range entries {
		if e.State == counting.Damaged {
			s.Log.Warn("an entry can't be read, and is left on a node that is let go", "window", v.Length().Name(e.Window), "node", from.ID())
			continue
		}
		full := counting.FullEntry{Entry: e}
		if e.Deliveries.Endpoints > 0 {
			var err error
			if full.ByEndpoint, err = callsOf(ctx, from, e.Window); err != nil {
				return err
			}
		}
		home := homeBy(next, v, e.Window)
		to[home] = append(to[home], full)
		if size += 1 + len(full.ByEndpoint); size >= entriesAtOnce {
			if err := giveAll(ctx, v, to); err != nil {
				return err
			}
			size = 0
		}
	}
	return giveAll(ctx, v, to)
}

// callsOf are the calls of a window, none where they can't be read.
func callsOf(ctx context.Context, m *cluster.Member, w counting.Window) (map[string]counting.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	_, calls, err := m.Entry(ctx, w)
	if errors.Is(err, counting.Corrupt) {
		return nil, nil
	}
	return calls, err
}

// homeBy is the member of a view that is to have a window's entry by the next ring.
// That ring may name its newcomer in place of a lost member; any that stays will
// do then, since whoever looks for an entry asks all.
func homeBy(next *sharding.Ring, v *cluster.View, w counting.Window) int {
	if home := v.Index(next.Members()[next.HomeIndex(w)].ID); home >= 0 {
		return home
	}
	return slices.IndexFunc(v.Members(), func(m sharding.Member) bool {
		return m.State == sharding.Active && next.Index(m.ID) >= 0
	})
}

// giveAll gives every member of a view what it is to have, all at once, as each may
// wait for its disk, and leaves nothing to be given.
func giveAll(ctx context.Context, v *cluster.View, to [][]counting.FullEntry) error {
	err := v.Each(ctx, func(_ context.Context, i int, m *cluster.Member) error {
		if len(to[i]) == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, syncTime)
		defer cancel()
		return m.ImportEntries(ctx, v.Table(), to[i])
	})
	clear(to)
	return err
}
