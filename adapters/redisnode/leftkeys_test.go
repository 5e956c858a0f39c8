package redisnode_test

import (
	"fmt"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

// X10: a failover ends a migration, and the idempotency keys of an arc stay at the other
// master. A visit with such a key is not counted again.
func TestX10IdempotencyKeysThatAFailoverLeftBehindAreNotForgotten(t *testing.T) {
	t.Parallel()
	for _, left := range []string{"k:", "kn"} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			p := openMoving(t, 1)
			keyed := func(seq int64) *counting.Batch {
				b := &counting.Batch{Epoch: 1, Session: "session", Seq: seq, KeyLimit: 10}
				b.Keyed = []counting.KeyedVisit{{Visit: counting.Visit{Arc: 1, Page: page(1), Count: 1}}}
				return b
			}
			check.Value(p.Apply(t.Context(), keyed(1)))(t)
			client := p.from.Client()
			keys := check.Value(client.Keys(t.Context(), p.key("%s*", left)).Result())(t)
			check.Must(t, client.Close())
			check.Equal(t, len(keys), 1, "keys")
			p.cluster.OpenSlot(slot, p.from, p.to)
			p.cluster.Migrate(slot, p.from, p.to, keys...)
			p.cluster.AwaitReplicas(p.from)
			replica := p.cluster.Replicas(p.from)[0]
			p.from.Kill()
			p.cluster.AwaitTakeover(replica)
			p.cluster.EndMigration(slot, replica)
			r := p.applies(t, keyed(2))
			if left == "k:" {
				check.Equal(t, fmt.Sprint(r.Refused), fmt.Sprint([]counting.Refusal{{Reason: counting.Missing}}), "refused")
			}
			var tallies []counting.Tally
			eventually(t, func() (ok bool) { tallies, ok = ok2(p.read(t)); return ok })
			check.Equal(t, tallies[1], counting.Tally{Visits: 1}, "visits")
		})
	}
}
