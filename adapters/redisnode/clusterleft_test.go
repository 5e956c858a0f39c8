package redisnode_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/servers"
)

// leavePages moves the hashes of half of a partition's pages to another master, with all
// ids. leaveMarks moves what has the marks of batches: the state, unless they are beside
// it. leaveAny moves half of the keys. Then the master dies, and its replica has the slot without
// them, until people bring them back.
func leavePages(w *clusterWorld, d *chaos.Dice) {
	p, slot, from, to := w.pick(d)
	half := w.partitionPages[p][:(len(w.partitionPages[p])+1)/2]
	leaves := make(map[string]bool)
	for _, page := range half {
		leaves[fmt.Sprint("c:", w.ring.Arc(page))] = true
	}
	w.leaveBehind(p, slot, from, to, func(kind string, _ []string) bool { return leaves[kind] || strings.HasPrefix(kind, "ids:") })
}

func leaveMarks(w *clusterWorld, d *chaos.Dice) {
	p, slot, from, to := w.pick(d)
	w.leaveBehind(p, slot, from, to, func(kind string, all []string) bool {
		return kind == "Q" || kind == "T" && !slices.Contains(all, "Q")
	})
}

func leaveAny(w *clusterWorld, d *chaos.Dice) {
	p, slot, from, to := w.pick(d)
	w.leaveBehind(p, slot, from, to, func(kind string, _ []string) bool { return kind != "T" && d.Chance(0.5) })
}

// leaveBehind leaves those keys behind of which is says so: it gets them without their
// prefix, and all of the partition.
func (w *clusterWorld) leaveBehind(p, slot int, from, to *servers.Redis, is func(kind string, all []string) bool) {
	replica := w.cluster.Replicas(from)[0]
	client := from.Client()
	defer func() { _ = client.Close() }()
	w.cluster.OpenSlot(slot, from, to)
	prefix := w.prefix(p)
	var all, moved []string
	for _, key := range w.keys(client, slot) {
		all = append(all, strings.TrimPrefix(key, prefix))
	}
	gone := make(map[string]bool)
	for _, kind := range all {
		if !is(kind, all) {
			continue
		}
		if err := migrate(client, to, prefix+kind); err != nil {
			w.t.Fatalf("%s can't move: %v", kind, err)
		}
		gone[kind], moved = true, append(moved, prefix+kind)
		switch {
		case kind == "T":
			w.Counted.Add(stateLeft)
		case strings.HasPrefix(kind, "ids:"):
			w.Counted.Add(idsLeft)
		case strings.HasPrefix(kind, "h:"):
			w.Counted.Add(historyLeft)
		}
	}
	pages, histories, without := w.without(p, gone)
	w.leave(pages, histories)
	w.until("the replica knows that they have left", func() bool { return w.lacks(replica, moved) })
	w.killOnly(from, replica)
	w.cluster.EndMigration(slot, replica)
	w.repair(without...)
	w.Counted.Add(keysLeft)
	w.probe(histories)
	w.leave(nil, nil)
	w.bringBack(slot, to, replica, moved)
	w.revive(from)
	// A revived server of Valkey remembers the migration, and goes on with it when it takes
	// over. Its master tells it.
	w.cluster.EndMigration(slot, w.cluster.Master(slot))
}

// without are the pages of a partition that have no number without some of its keys, those that have no
// history, and the partition if no instance can be asked to count on it.
func (w *clusterWorld) without(p int, gone map[string]bool) (pages, histories []counting.Page, partitions []int) {
	lacks := func(page counting.Page) bool { return gone["T"] || gone[fmt.Sprint("c:", w.ring.Arc(page))] }
	for _, page := range w.partitionPages[p] {
		if lacks(page) {
			pages = append(pages, page)
		}
		if lacks(page) || lacksHistory(w.ring.Arc(page), gone) {
			histories = append(histories, page)
		}
	}
	for n := 0; ; n++ {
		if touch := touched(n); w.ring.Owner(w.ring.Arc(touch)) != p {
			continue
		} else if lacks(touch) || lacksHistory(w.ring.Arc(touch), gone) {
			partitions = append(partitions, p)
		}
		return pages, histories, partitions
	}
}

// prefix begins the keys of a partition.
func (w *clusterWorld) prefix(p int) string {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	return client.Partitions()[p].Prefix()
}

// lacks tells whether a replica has none of some keys.
func (w *clusterWorld) lacks(replica *servers.Redis, keys []string) bool {
	client := replica.Client()
	defer func() { _ = client.Close() }()
	conn := client.Conn()
	defer func() { _ = conn.Close() }()
	if conn.ReadOnly(context.Background()).Err() != nil {
		return false
	}
	for _, key := range keys {
		if n, err := conn.Exists(context.Background(), key).Result(); err == nil && n > 0 {
			return false
		}
	}
	return true
}

// probe asks every instance for pages that are left behind.
func (w *clusterWorld) probe(pages []counting.Page) {
	for end := time.Now().Add(time.Second); time.Now().Before(end) && len(w.Violations()) == 0; time.Sleep(50 * time.Millisecond) {
		for _, i := range w.Instances() {
			for _, page := range pages {
				i.Count(context.Background(), counting.Visit{Page: page, Count: 1})
				w.read(context.Background(), i, page)
				w.readHistory(context.Background(), i, page)
			}
		}
	}
}

// bringBack moves what was left behind to the master of the slot. Entries of windows may have
// been made again, with the same numbers: either copy will do.
func (w *clusterWorld) bringBack(slot int, at, to *servers.Redis, keys []string) {
	client := at.Client()
	defer func() { _ = client.Close() }()
	for _, key := range keys {
		var replace []any
		if strings.Contains(key, "}:win:") || strings.Contains(key, "}:cb:") {
			replace = append(replace, "replace")
		}
		if err := migrate(client, to, key, replace...); err != nil {
			w.Violate("P3: %s can't be brought back: %v", key, err)
		}
	}
	w.cluster.EndMigration(slot, at)
	w.Counted.Add(keysBack)
}
