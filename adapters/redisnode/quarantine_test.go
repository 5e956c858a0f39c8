package redisnode_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/servers"
)

// back is the node with the ring after the one that took arcs from it: they
// come back.
func (m moving) back(t *testing.T) moving {
	t.Helper()
	next := check.Value(m.after.Remove(sharding.Change{ID: "third", From: 2}, "other"))(t)
	m.before, m.after = m.after, next
	return m
}

// P4: a power cut takes a source back behind the whole move of an arc, and a
// later change brings the arc back. What the source has of it is no count: all
// of that comes from where it was.
func TestWhatAPowerCutBroughtBackIsNotAdded(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	m := atSource(t, server)
	m.do(t, moving.fence, moving.open)
	kept := check.Value(server.Kept())(t)
	m.do(t, moving.claim, moving.retire)
	check.Must(t, server.FallBack(kept))
	m.node = open(t, m.ID(), server)
	if p := m.part(t); p.Stage != counting.Live || p.Visits != 2 {
		t.Fatalf("the node has %+v after the power cut", p)
	}
	m = m.back(t)
	m.do(t, moving.fence, moving.open, moving.takeInPermanently, moving.open, moving.close)
	if p := m.part(t); p.Visits != 2 {
		t.Errorf("the node has %+v in the end", p)
	}
	quarantined := fmt.Sprintf("ff:s:%d:%d", m.arc, m.after.Table())
	m.has(t, []string{quarantined}, true)
	swept, _ := m.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{m.arc}, Ended: m.after.Table()})
	if want := (counting.Orphan{Arc: m.arc, Table: m.after.Table(), Quarantined: true, Pages: 2}); !slices.Equal(swept.Orphans, []counting.Orphan{want}) {
		t.Errorf("swept %+v, want %+v", swept, want)
	}
	m.has(t, []string{quarantined}, true)
}

// plant makes a page, and a key on each of three days, in every arc.
const plant = `
for _, arc in ipairs(ARGV) do
  redis.call('HSET', 'ff:c:' .. arc, 'page', 1)
  for day = 0, 2 do
    redis.call('HSET', 'ff:k:' .. day .. ':' .. arc, 'key', 'print')
    redis.call('HINCRBY', 'ff:kn', day, 1)
  end
end
return 1`

// Whatever lies in the way of thousands of arcs, and of whatever type, they
// begin to come.
func TestThousandsOfOrphansAreQuarantined(t *testing.T) {
	t.Parallel()
	for _, planted := range []bool{false, true} {
		m := atSource(t, servers.StartRedis(t))
		m.do(t, moving.fence, moving.open, moving.claim, moving.retire)
		m = m.back(t)
		m.do(t, moving.fence)
		gains := m.after.AddedArcs(m.ID())
		if planted {
			args := []any{"eval", plant, 0}
			for _, arc := range gains {
				args = append(args, int64(arc))
			}
			m.node.do(t, args...)
			m.node.do(t, "set", "ff:ka:2", "no set") // so its keys can't be forgotten
			m.node.do(t, "del", fmt.Sprintf("ff:c:%d", gains[0]))
			m.node.do(t, "rpush", fmt.Sprintf("ff:c:%d", gains[0]), "no hash")
		}
		begin := time.Now()
		eventually(t, func() bool { return m.open(t.Context()) == nil }) // a busy machine may take longer than a call
		t.Logf("%d arcs, planted: %v: opened in %v", len(gains), planted, time.Since(begin))
		want := 0
		if planted {
			want = len(gains)
		}
		if n := len(m.node.keys(t, "ff:s:*")); n != want || len(gains) < 5000 {
			t.Errorf("%d of %d are quarantined, want %d", n, len(gains), want)
		}
		if left := m.node.keys(t, "ff:c:*"); len(left) > 0 {
			t.Errorf("%d arcs are live", len(left))
		}
		if left := m.node.keys(t, "ff:k:[01]:*"); len(left) > 0 {
			t.Errorf("%d sets of keys are left", len(left))
		}
		if p := m.summary(t); p.Opened != m.after.Epoch() || p.Incoming != len(gains) {
			t.Errorf("the node says %+v", p)
		}
	}
}
