package cluster_test

import (
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// P1: a node that was emptied says nothing about what it was sent before, neither
// while it is empty or only fenced, nor when it is in the ring again.
func TestANodeThatWasEmptiedRemembersNothing(t *testing.T) {
	length := check.Value(counting.ParseLength(time.Minute))(t)
	member := func(id counting.NodeID) sharding.Member {
		return sharding.Member{ID: id, Addr: string(id) + ":1", Weight: 1}
	}
	first := check.Value(sharding.New("test", 1, length, "first", []sharding.Member{member("n1"), member("n2")}))(t)
	alone := check.Value(sharding.New("test", 1, length, "first", []sharding.Member{member("n1")}))(t)
	again := check.Value(alone.Add(sharding.Change{ID: "again"}, member("n2")))(t)
	n := localnode.New(localnode.Options{ID: "n2", Addr: "n2:1"})
	do := func(_ any, err error) {
		t.Helper()
		check.Must(t, err)
	}
	want := func(when string, epoch counting.Epoch, want bool) {
		t.Helper()
		if got, _ := cluster.Remembers(t.Context(), n, epoch); got != want {
			t.Errorf("%s it remembers epoch %d: %v, want %v", when, epoch, got, want)
		}
	}
	do(n.Fence(t.Context(), first))
	do(nil, n.Open(t.Context(), first))
	want("in the first ring", 1, true)
	n.Restore(localnode.Snapshot{})
	want("emptied", 1, false)
	do(n.Fence(t.Context(), again))
	want("fenced", 1, false)
	do(nil, n.Open(t.Context(), again))
	want("in the ring again", 1, false)
	want("in the ring again", 2, true)
}
