package redisnode_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// F32, X8: a right is taken away while a node opens a ring that continues moves, and given
// back. What is frozen stays so.
func TestF32ARightThatIsTakenAwayEndsNoMoveThatGoesOn(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"setbit", "hset", "set", "unlink", "rename"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedisWithClock(t, documentedUser(t)...)
			server.Clock.Stop(t, 0)
			n := openAs(t, "redis_7070", server, "footfall", "secret")
			var members []sharding.Member
			for _, id := range []counting.NodeID{"a", "b", "c", n.ID()} {
				members = append(members, sharding.Member{ID: id, Addr: string(id) + ":1", Weight: 1})
			}
			r := check.Value(sharding.New("bench", 7, counting.WindowLength(time.Hour), "first", members))(t)
			next := check.Value(r.Add(sharding.Change{ID: "add", From: 1}, sharding.Member{ID: "d", Addr: "d:1", Weight: 1}))(t)
			conformance.OpenRing(t, n, r)
			var arcs []counting.Arc
			for _, m := range next.Moves() {
				if next.Members()[m.From].ID == n.ID() && len(arcs) < 100 {
					arcs = append(arcs, m.Arc)
				}
			}
			b := &counting.Batch{Epoch: 1, Session: "s", EndpointLimit: 1000, Seq: 1}
			for _, arc := range arcs {
				b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: counting.Page(fmt.Sprint(arc)), Count: 5})
			}
			check.Value(n.Apply(t.Context(), b))(t)
			conformance.OpenRing(t, n, next)
			check.Value(n.ClaimArcs(t.Context(), next.Table(), arcs))(t)
			last := check.Value(next.Abandon(sharding.Change{ID: "lost", From: 2, Moving: true}, "c"))(t)
			check.Value(n.Fence(t.Context(), last))(t)
			n.do(t, "acl", "setuser", "footfall", "-"+right)
			check.Says(t, n.Open(t.Context(), last), "the user may not run "+strings.ToUpper(right))
			n.do(t, "acl", "setuser", "footfall", "+"+right)
			err := n.Open(t.Context(), last)
			for ; err != nil && t.Context().Err() == nil; err = n.Open(t.Context(), last) { // a refusal is remembered for a while
				time.Sleep(20 * time.Millisecond)
			}
			check.Must(t, err)
			want := make([]counting.FrozenPages, len(arcs))
			for i := range want {
				want[i] = counting.FrozenPages{Stage: counting.Frozen, Pages: 1}
			}
			if got := check.Value(n.ClaimArcs(t.Context(), last.Table(), arcs))(t); !slices.Equal(got, want) {
				t.Errorf("without %s for a moment, %d frozen arcs are %v", right, len(arcs), got)
			}
		})
	}
}
