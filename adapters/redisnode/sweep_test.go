package redisnode_test

import (
	"fmt"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// sweep looks through the whole node, and returns how many calls that took, too.
func (m moving) sweep(t *testing.T, k counting.SweepPolicy) (all counting.SweepResult, calls int) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		some, next, err := m.Sweep(t.Context(), m.after.Table(), k, cursor)
		check.Must(t, err)
		all.Forgotten += some.Forgotten
		all.Orphans = append(all.Orphans, some.Orphans...)
		cursor = next
		calls++
	}
	return all, calls
}

// has checks which of these keys are there.
func (m moving) has(t *testing.T, keys []string, want bool) {
	t.Helper()
	all := m.node.keys(t, "*")
	for _, key := range keys {
		check.Equal(t, slices.Contains(all, key), want, "is %s there", key)
	}
}

// Of all that may lie about, a sweep takes what can't be anything but a copy,
// and leaves and tells the rest.
func TestASweepForgetsCopiesAlone(t *testing.T) {
	t.Parallel()
	m := atSource(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open, moving.claim)
	incoming := m.after.Incoming("other")
	gone := incoming[1] // another that goes
	own := gone + 1     // an arc that stays
	for slices.Contains(incoming, own) {
		own++
	}
	copies := []string{
		"ff:x:4:1", fmt.Sprintf("ff:x:%d:1", own), "ff:in:4:1", fmt.Sprintf("ff:in:%d:2", own), fmt.Sprintf("ff:k:7:%d", gone), "ff:x:5:1",
	}
	others := []string{
		fmt.Sprintf("ff:x:%d:2", m.arc), fmt.Sprintf("ff:c:%d", own), fmt.Sprintf("ff:c:%d", gone), "ff:x:4:3", "ff:in:4:3",
		fmt.Sprintf("ff:k:7:%d", own), fmt.Sprintf("ff:x:%d:2", own), "ff:c:20000", "ff:c:word", "ff:x:4", "gg:x:4:1", "ff:kn", "ff:ids:4:1",
	}
	for _, key := range append(slices.Clone(copies), others...) {
		if key != fmt.Sprintf("ff:x:%d:2", m.arc) {
			m.node.do(t, "hset", key, "page", 5)
		}
	}
	m.node.do(t, "del", "ff:x:5:1")
	m.node.do(t, "rpush", "ff:x:5:1", "no hash")
	k := counting.SweepPolicy{Arcs: []counting.Arc{m.arc, own}, Ended: 1}
	slices.Sort(k.Arcs)
	swept, _ := m.sweep(t, k)
	m.has(t, copies, false)
	m.has(t, others, true)
	check.Equal(t, swept.Forgotten, len(copies), "forgotten keys")
	want := []counting.Orphan{{Arc: gone, Pages: 1}, {Arc: 4, Table: 3, Pages: 1}, {Arc: own, Table: 2, Pages: 1}, {Arc: 20000, Pages: 1}}
	for _, s := range want {
		if !slices.Contains(swept.Orphans, s) {
			t.Errorf("%+v is not reported", s)
		}
	}
	check.Equal(t, len(swept.Orphans), len(want), "the number of orphans in %+v", swept.Orphans)
	m.do(t, moving.retire) // the move goes on
}

// A power cut takes a source back behind the last step of a move that has
// ended since. What it has again is a copy, and a sweep finds it.
func TestASweepForgetsWhatAPowerCutBroughtBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before []step
		lost   []step
		want   counting.SweepResult
		stage  counting.Stage
	}{
		{"behind retire", []step{moving.fence, moving.open, moving.claim}, []step{moving.retire}, counting.SweepResult{Forgotten: 1}, counting.Released},
		{"behind claim", []step{moving.fence, moving.open}, []step{moving.claim, moving.retire}, counting.SweepResult{}, counting.Live},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t)
			m := atSource(t, server)
			m.do(t, c.before...)
			kept := check.Value(server.Kept())(t)
			m.do(t, c.lost...)
			if p := m.part(t); p.Stage != counting.Released {
				t.Fatalf("the node has %+v before the power cut", p)
			}
			check.Must(t, server.FallBack(kept))
			m.node = open(t, m.ID(), server)
			if p := m.part(t); p.Visits+p.Frozen != 2 {
				t.Fatalf("the node has %+v after the power cut", p)
			}
			swept, _ := m.sweep(t, counting.SweepPolicy{Ended: 2})
			if c.stage == counting.Live { // it may be all that there is: only people can know
				c.want.Orphans = []counting.Orphan{{Arc: m.arc, Pages: 2}}
			}
			if swept.Forgotten != c.want.Forgotten || !slices.Equal(swept.Orphans, c.want.Orphans) {
				t.Errorf("swept %+v, want %+v", swept, c.want)
			}
			if p := m.part(t); p.Stage != c.stage || p.Frozen != 0 {
				t.Errorf("the node has %+v in the end", p)
			}
		})
	}
}

// However much there is, each call looks at some of it.
func TestASweepIsDoneInBoundedSteps(t *testing.T) {
	t.Parallel()
	m := atSource(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open, moving.claim)
	const many = 12_000
	m.node.do(t, "eval", "for i = 1, ARGV[1] do redis.call('HSET', 'ff:x:' .. string.format('%d', i) .. ':1', 'page', 1) end return 1", 0, many)
	swept, calls := m.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{m.arc}, Ended: 1})
	if swept.Forgotten != many || calls < many/2000 {
		t.Errorf("%d keys are forgotten in %d calls", swept.Forgotten, calls)
	}
}
