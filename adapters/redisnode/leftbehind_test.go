package redisnode_test

import (
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// X10: a key that a failover left behind is not made again, whatever is called: what was
// stored under it would be lost when it is brought back. Nothing is, and keys of requests
// and ids count once.
func TestX10NoCallMakesAKeyThatWasLeftBehind(t *testing.T) {
	t.Parallel()
	c := servers.StartClusterWithClock(t, 1, 0)
	c.Servers[0].Clock.Stop(t, 0)
	p := join(t, openPartition(t, c, 0, 1))
	call := func(seq int64) counting.Receipt {
		b := visits(seq)
		b.Clock, b.EndpointLimit, b.KeyLimit = conformance.AnyTime(), 10, 1000
		b.IDEvents = []counting.IDEvent{{ID: 7, Endpoint: "http://a.example/", Table: 1}, {ID: 8, Table: 1}}
		b.Keyed = []counting.KeyedVisit{{Visit: counting.Visit{Arc: 1, Page: page(1), Count: 1}}}
		receipt := check.Value(p.Apply(t.Context(), b))(t)
		if a, err := p.Heartbeat(t.Context(), conformance.AnyTime()); err == nil {
			_, _, _ = p.Claim(t.Context(), a.Current-2, "owner", counting.MaxLease)
		}
		_, _ = p.Entries(t.Context(), 1<<40, 10)
		return receipt
	}
	check.Equal(t, len(call(1).Refused), 0, "refused")
	client, seq, left := c.Client(), int64(1), 0
	all := check.Value(client.ClusterGetKeysInSlot(t.Context(), slot, 1_000_000).Result())(t)
	for _, key := range all {
		kind := strings.TrimPrefix(key, p.Prefix())
		if kind == "T" || strings.HasPrefix(kind, "win:") || strings.HasPrefix(kind, "c:") && kind != "c:1" {
			continue
		}
		left++
		seq++
		dump := check.Value(client.Dump(t.Context(), key).Result())(t)
		check.Must(t, client.Del(t.Context(), key).Err())
		receipt := call(seq)
		for _, refusal := range receipt.Refused {
			check.Equal(t, refusal.Reason, counting.Missing, "refused without %s", kind)
		}
		check.Equal(t, check.Value(client.Exists(t.Context(), key).Result())(t), 0, "number of keys %s", kind)
		check.Must(t, client.Restore(t.Context(), key, 0, dump).Err())
		seq++
		check.Equal(t, len(call(seq).Refused), 0, "refused when %s is back", kind)
	}
	if left < 8 {
		t.Errorf("%d keys were left behind, want one of each kind: %v", left, all)
	}
	// Batch 1 alone has counted the keyed visit; one batch has not counted page 1.
	tallies := check.Value(p.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Arc: 1, Page: page(1)}}))(t)
	check.Equal(t, tallies[0].Visits, seq, "visits of page 1")
	w := check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	check.Equal(t, check.Value(p.Distinct(t.Context(), w))(t), 2, "ids")
}
