package redisnode_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// histories are the state of a partition, and its keys of histories, with their values.
type histories struct {
	partition
	client *redis.Client
	stored map[string]string
}

func historiesOf(t *testing.T, p partition) histories {
	h := histories{p, p.cluster.Servers[0].Client(), make(map[string]string)}
	t.Cleanup(func() { _ = h.client.Close() })
	for _, key := range h.keys(t) {
		h.stored[key] = check.Value(h.client.Dump(t.Context(), key).Result())(t)
	}
	return h
}

func (h histories) keys(t *testing.T) []string {
	t.Helper()
	return append(check.Value(h.client.Keys(t.Context(), h.key("h*")).Result())(t), h.key("T"))
}

// restore brings them back, as a server does that takes over and lacks what came after.
func (h histories) restore(t *testing.T) {
	t.Helper()
	all := h.client.Pipeline()
	all.Del(t.Context(), h.keys(t)...)
	for key, value := range h.stored {
		all.Restore(t.Context(), key, 0, value)
	}
	check.Value(all.Exec(t.Context()))(t)
}

// P3, P11: a server takes over while a partition is prepared for its history, and lacks a part of that. All arcs are
// prepared all the same.
func TestAFailoverLeavesNoArcUnpreparedForItsHistory(t *testing.T) {
	t.Parallel()
	e := emptyClusters{test: t, free: make(chan *servers.Cluster, 1)}
	for name, earlier := range map[string]bool{"lists": false, "an earlier history": true} {
		t.Run(name, func(t *testing.T) {
			p := e.open(t)
			var members []sharding.Member
			for _, other := range p.client.Partitions() {
				members = append(members, sharding.Member{ID: other.ID(), Addr: other.Addr(), Weight: 1})
			}
			r := check.Value(sharding.New("deployment", 7, counting.WindowLength(time.Hour), "first", members))(t)
			conformance.OpenRing(t, p, r)
			var own []counting.Arc
			for arc := range counting.Arc(sharding.Arcs) {
				if r.Members()[r.Owner(arc)].ID == p.ID() {
					own = append(own, arc)
				}
			}
			if earlier {
				keeping(t, p, 1)
				check.Value(p.Apply(t.Context(), placed(1, own[:2]...)))(t)
				check.Value(p.KeepHistory(t.Context(), counting.HistorySetting{}, time.Time{}, true, conformance.AnyTime()))(t)
			}
			before, first, behind := historiesOf(t, p), p.key("hp:%d", own[0]), false
			p.BeforeCalls(func() {
				if prepared := before.client.Dump(t.Context(), first).Val() != before.stored[first]; prepared && !behind {
					behind = true
					before.restore(t)
				}
			})
			state := check.Value(p.KeepHistory(t.Context(), keepsHours(), time.Now().AddDate(0, 0, -1), true, conformance.AnyTime()))(t)
			check.Equal(t, state.Setting, keepsHours(), "setting")
			check.Equal(t, behind, true, "did a server take over when some arcs were prepared")
			lists := historiesOf(t, p)
			without := slices.DeleteFunc(slices.Clone(own), func(arc counting.Arc) bool { return lists.stored[p.key("hp:%d", arc)] != "" })
			check.Equal(t, len(without), 0, "arcs without a list")
			for _, arc := range slices.Concat(own[:2], own[len(own)-1:]) {
				h := check.Value(p.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Arc: arc, Page: page(int(arc))}))(t)
				check.Is(t, h.Err, nil)
				check.Equal(t, len(check.Value(h.Buckets())(t)), 0, "buckets of an earlier history in arc %d", arc)
			}
		})
	}
}
