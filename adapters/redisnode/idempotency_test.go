package redisnode_test

import (
	"fmt"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// V29: the days of keys: those of yesterday count still, older ones don't, and are
// deleted some arcs at a time, without one being left behind.
func TestKeysAreForgottenDayByDay(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	const arcs = 600
	seq := int64(0)
	visit := func() {
		t.Helper()
		seq++
		b := &counting.Batch{Epoch: 1, Session: "s", Seq: seq, KeyLimit: arcs}
		for arc := range counting.Arc(arcs) {
			b.Keyed = append(b.Keyed, counting.KeyedVisit{
				Visit: counting.Visit{Arc: arc, Page: "page", Count: 1}, RequestKey: counting.RequestKey{Key: counting.Key{1}, Print: counting.Fingerprint{2}},
			})
		}
		if r, err := n.Apply(t.Context(), b); err != nil || len(r.Refused) > 0 {
			t.Fatal(r, err)
		}
	}
	counted := func(want int64) {
		t.Helper()
		got, err := n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Arc: 7, Page: "page"}})
		if err != nil || got[0].Visits != want {
			t.Errorf("read %+v, %v; want %d", got, err, want)
		}
	}
	visit()
	counted(1)
	n.age(t, 1)
	visit()
	counted(1)
	check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	visit()
	counted(1)
	n.age(t, 1)
	visit() // though as many are kept as the limit allows: they count no more
	counted(2)
	n.age(t, 7)
	for range arcs {
		check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
		if len(n.keys(t, "ff:k*")) == 0 {
			return
		}
	}
	t.Errorf("%d keys are left", len(n.keys(t, "ff:k*")))
}

func (n node) keys(t *testing.T, pattern string) []string {
	t.Helper()
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	return check.Value(c.Keys(t.Context(), pattern).Result())(t)
}

// age makes all idempotency keys older by some days.
func (n node) age(t *testing.T, days int) {
	t.Helper()
	const script = `
for _, key in ipairs(redis.call('KEYS', 'ff:k*')) do
  local name, day, arc = string.match(key, '^(ff:ka?):(%d+)(.*)$')
  if day then redis.call('RENAME', key, 'old' .. name .. ':' .. string.format('%d', day - ARGV[1]) .. arc) end
end
for _, key in ipairs(redis.call('KEYS', 'oldff:k*')) do redis.call('RENAME', key, string.sub(key, 4)) end
for _, counter in ipairs({'ff:kn', 'ff:kr'}) do
  local counts = redis.call('HGETALL', counter)
  redis.call('DEL', counter)
  for i = 1, #counts, 2 do redis.call('HSET', counter, string.format('%d', counts[i] - ARGV[1]), counts[i + 1]) end
end
return 1
`
	n.do(t, "eval", script, 0, fmt.Sprint(days))
}

// Something else in place of the keys refuses what is keyed, and leaves the rest
// of the batch alone.
func TestABrokenPlaceOfKeysRefusesWhatIsKeyedAlone(t *testing.T) {
	t.Parallel()
	today := counting.DayOf(time.Now())
	for _, key := range []string{"ff:kn", "ff:kr", fmt.Sprintf("ff:ka:%d", today), fmt.Sprintf("ff:k:%d:7", today)} {
		n := joined(t, servers.StartRedis(t))
		n.do(t, "set", key, "planted")
		r, err := n.Apply(t.Context(), &counting.Batch{
			Epoch: 1, Session: "s", Seq: 1, KeyLimit: 10, Visits: []counting.Visit{{Arc: 7, Page: "page", Count: 1}},
			Keyed: []counting.KeyedVisit{{Visit: counting.Visit{Arc: 7, Page: "page", Count: 1}}},
		})
		if err != nil || len(r.Refused) != 1 || r.Refused[0] != (counting.Refusal{Item: 1, Reason: counting.Corrupt}) {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
		check.OK(t, check.Err(n.Heartbeat(t.Context(), conformance.AnyTime())), "%s", key)
		want := sharding.Keys{}
		switch key {
		case "ff:kn":
			want.Records = -1
		case "ff:kr":
			want.Requests = -1
		}
		if p, err := n.RingSummary(t.Context()); err != nil || p.Keys != want {
			t.Errorf("%s: the summary is %+v, %v, want %+v", key, p, err, want)
		}
		got, err := n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Arc: 7, Page: "page"}})
		if err != nil || got[0].Visits != 1 {
			t.Errorf("%s: read %+v, %v", key, got, err)
		}
	}
}
