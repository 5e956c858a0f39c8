package redisnode

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/checking"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Inspect connects as every connection does (preflight), and returns what it finds. It
// writes nothing.
func (n *Node) Inspect(ctx context.Context, b checking.Bounds) []checking.Finding {
	return inspect(ctx, n.about(), n.server.client.Load(), b)
}

// InspectAll looks at what the service uses: the nodes, as Inspect does, and the members that only
// the stored ring has, of which dial makes nodes. Of a node that the ring does not use it returns a
// warning. The nodes take the names of their servers (Identify). It writes nothing.
func InspectAll(ctx context.Context, nodes []*Node, dial func(id counting.NodeID, addr string) (*Node, error), b checking.Bounds) []checking.Finding {
	l := checking.List{About: "store"}
	if err := Identify(ctx, nodes); err != nil {
		l.Add(checking.Fail, "correct FOOTFALL_STORE", "%v", err)
	}
	rings := storedRings(ctx, nodes)
	ring := newest(rings)
	added := nodes[:0:0]
	for epoch := counting.Epoch(0); ring != nil && ring.Epoch() > epoch; ring = newest(append(rings, ring)) {
		epoch = ring.Epoch()
		for _, m := range ring.Members() {
			if slices.ContainsFunc(slices.Concat(nodes, added), func(n *Node) bool { return n.memberOf(ring) == m.ID }) {
				continue
			}
			if n, err := dial(m.ID, m.Addr); err != nil {
				l.Add(checking.Fail, "", "node %s of the ring: %v", m.ID, err)
			} else {
				added = append(added, n)
			}
		}
		rings = storedRings(ctx, added) // one may know a later ring
	}
	added = slices.DeleteFunc(added, func(n *Node) bool { return n.memberOf(ring) == "" })
	found := make([][]checking.Finding, len(nodes)+len(added))
	var all sync.WaitGroup
	for i, n := range slices.Concat(nodes, added) {
		if ring != nil && n.memberOf(ring) == "" {
			unused := checking.List{About: n.about()}
			unused.Add(checking.Warn, "remove it from FOOTFALL_STORE, or add it by footfall ring add", "the stored ring does not have it there, so the service does not use it")
			found[i] = unused.All
			continue
		}
		all.Go(func() { found[i] = n.Inspect(ctx, b) })
	}
	all.Wait()
	return slices.Concat(append(found, l.All)...)
}

// memberOf is the member of the ring as which the service uses the node where it is, empty if it
// does not: that at its address, or that of its name, unless the ring has moved it elsewhere.
func (n *Node) memberOf(ring *sharding.Ring) counting.NodeID {
	for _, m := range ring.Members() {
		if m.Addr == n.Addr() {
			return m.ID
		}
	}
	if ring.Index(n.id) < 0 || hasMoved(ring, n.id) {
		return ""
	}
	return n.id
}

// storedRings are the rings that nodes have opened, of those that answer.
func storedRings(ctx context.Context, nodes []*Node) []*sharding.Ring {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rings := make([]*sharding.Ring, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { _, rings[i] = n.stored(ctx) })
	}
	all.Wait()
	return slices.DeleteFunc(rings, func(r *sharding.Ring) bool { return r == nil })
}

// newest is the ring of the latest epoch, nil of none.
func newest(rings []*sharding.Ring) (last *sharding.Ring) {
	for _, r := range rings {
		if last == nil || r.Epoch() > last.Epoch() {
			last = r
		}
	}
	return last
}

func (n *Node) about() string { return string(n.id) + " at " + n.Addr() }

// Inspect is that of all masters.
func (c *Cluster) Inspect(ctx context.Context, b checking.Bounds) []checking.Finding {
	var mu sync.Mutex
	var all []checking.Finding
	err := c.client.ForEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		found := inspect(ctx, client.Options().Addr, client, b)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
		return nil
	})
	if err != nil {
		l := checking.List{About: c.addrs}
		l.Add(checking.Fail, "", "%v", classified(err))
		all = append(all, l.All...)
	}
	slices.SortStableFunc(all, func(a, b checking.Finding) int { return strings.Compare(a.What, b.What) })
	return all
}

func inspect(ctx context.Context, about string, client *redis.Client, b checking.Bounds) []checking.Finding {
	l := checking.List{About: about}
	on := client.Conn()
	defer func() { _ = on.Close() }()
	info, err := on.InfoMap(ctx, "server", "memory", "persistence").Result() // after preflight
	if err != nil {
		l.Add(checking.Fail, "", "%v", classified(err))
		return l.All
	}
	l.Add(checking.OK, "", "answers, Redis %s", info["Server"]["redis_version"])
	l.Add(checking.OK, "", "the user has the rights that are needed")
	l.Add(checking.OK, "", "no count can be evicted")
	inspectDisk(ctx, &l, on, info["Persistence"])
	inspectClock(ctx, &l, on, b.Skew)
	return l.All
}

// inspectDisk adds what survives a crash of the server.
func inspectDisk(ctx context.Context, l *checking.List, on *redis.Conn, persistence map[string]string) {
	if persistence["aof_enabled"] != "1" {
		l.Add(checking.Warn, "set appendonly to yes, unless counts may be lost", "it keeps no append-only file, so a crash of it loses counts")
		return
	}
	how, err := on.ConfigGet(ctx, "appendfsync").Result()
	switch policy := how["appendfsync"]; {
	case err != nil || policy == "":
		l.Add(checking.Warn, "let the user run CONFIG GET, or look at appendfsync on the server", "it does not say how its append-only file is synced")
	case policy == "always":
		l.Add(checking.OK, "", "each answer is on its disk (appendfsync always)")
	case policy == "everysec":
		l.Add(checking.Warn, "set appendfsync to always, unless a second of counts may be lost", "a power cut loses about a second (appendfsync everysec)")
	default:
		l.Add(checking.Warn, "set appendfsync to always or everysec", "a power cut loses what the system has not written yet (appendfsync %s)", policy)
	}
	if persistence["aof_last_write_status"] == "err" {
		l.Add(checking.Fail, "make room on its disk", "its append-only file can't be written")
	}
}

// inspectClock compares the clocks. The server's is read at some moment of the call.
func inspectClock(ctx context.Context, l *checking.List, on *redis.Conn, most time.Duration) {
	begin := time.Now()
	at, err := on.Time(ctx).Result()
	took := time.Since(begin)
	if err != nil {
		l.Add(checking.Fail, "", "its clock can't be read: %v", classified(err))
		return
	}
	off := at.Sub(begin.Add(took / 2))
	switch text := off.Round(time.Millisecond); {
	case off.Abs() > most+took/2:
		l.Add(checking.Fail, "run NTP on every machine", "its clock is off by %v, and ids are taken up to %v (FOOTFALL_MAX_CLOCK_SKEW)", text, most)
	case off.Abs() > time.Second+took/2:
		l.Add(checking.Warn, "run NTP on every machine", "its clock is off by %v", text)
	default:
		l.Add(checking.OK, "", "its clock agrees, within %v", max(time.Millisecond, text.Abs()+took.Round(time.Millisecond)))
	}
}
