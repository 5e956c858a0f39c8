package resharding

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// entriesAtOnce is the number of entries per read, and of entries and deliveries per
// write. The deliveries of one window go in one write.
const entriesAtOnce = 512

// errKept: a member that has left can't be dropped.
var errKept = errors.New("what it knows of windows can't be given to other nodes")

// droppedBy are the members of a view that the next ring drops.
func droppedBy(next *sharding.Ring, v *cluster.View) (all []*cluster.Member) {
	for i, m := range v.Nodes {
		if !v.Away(i) && next.Index(m.ID()) < 0 {
			all = append(all, m)
		}
	}
	return all
}

// copyEntries copies the ledger entries of dropped members to the new homes of their
// windows. These windows are over everywhere, so no instance changes the entries any
// more. It may be repeated, concurrently too. The error is
// counting.ErrUnavailable: the members must not be dropped.
func (s *Service) copyEntries(ctx context.Context, v *cluster.View, next *sharding.Ring, dropped []*cluster.Member) error {
	for _, from := range dropped {
		for before := counting.Window(math.MaxInt64); ; {
			entries, err := cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) ([]counting.Entry, error) {
				return from.Entries(ctx, before, entriesAtOnce)
			})
			if err == nil {
				err = s.give(ctx, v, next, from, entries)
			}
			if err != nil {
				return counting.Mark(fmt.Errorf("%w: %w", errKept, cluster.Named(from.ID(), err)), counting.ErrUnavailable)
			}
			if len(entries) == 0 {
				break
			}
			before = entries[len(entries)-1].Window
		}
	}
	return nil
}

// give copies some entries of a node, each with its deliveries, to their new homes.
func (s *Service) give(ctx context.Context, v *cluster.View, next *sharding.Ring, from *cluster.Member, entries []counting.Entry) error {
	to, size := make(map[*cluster.Member][]counting.FullEntry), 0
	for _, e := range entries {
		if e.State == counting.Damaged {
			s.Log.Warn("ledger entry of a dropped node is not readable and not copied", "window", v.WindowID(e.Window), "node", from.ID())
			continue
		}
		full := counting.FullEntry{Entry: e}
		if e.Deliveries.Endpoints > 0 {
			deliveries, err := from.Deliveries(ctx, e.Window)
			if err != nil && !errors.Is(err, counting.Corrupt) {
				return err
			}
			if err == nil { // deliveries that are not readable are not copied
				full.ByEndpoint = deliveries
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

// homeBy is the view's member that is the home of a window by the next
// ring. If that ring names its joining member, any active member that stays will do,
// since a lookup of an entry asks all members.
func homeBy(next *sharding.Ring, v *cluster.View, w counting.Window) *cluster.Member {
	home := v.Index(next.Members()[next.HomeIndex(w)].ID)
	if home < 0 {
		home = slices.IndexFunc(v.Members(), func(m sharding.Member) bool {
			return m.State == sharding.Active && next.Index(m.ID) >= 0
		})
	}
	return v.Nodes[home]
}

// giveAll writes the entries for each member, concurrently, since each may wait for
// its disk. It empties to.
func giveAll(ctx context.Context, v *cluster.View, to map[*cluster.Member][]counting.FullEntry) error {
	_, err := cluster.Gather(ctx, slices.Collect(maps.Keys(to)), func(_ context.Context, m *cluster.Member) (any, error) {
		return cluster.Call(ctx, cluster.SyncTime, func(ctx context.Context) (any, error) {
			return nil, m.ImportEntries(ctx, v.Table(), to[m])
		})
	})
	clear(to)
	return err
}
