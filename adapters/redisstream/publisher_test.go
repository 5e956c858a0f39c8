package redisstream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func TestTheEntryIsThatOfTheDocs(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	p, log := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 5)
	all := entries(t, s)
	check.Equal(t, len(all), 1, "entries")
	check.Equal(t, fmt.Sprint(all[0].Values), "map[app_id:footfall body:"+
		`{"id":"footfall_5","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":5}`+
		" id:footfall_5 type:footfall.unique_ids.v1]", "the entry")
	check.Equal(t, log.Lines("redis stream is connected", "stream=counts", "addr="+s.Addr), 1, "lines that say so")
	check.Equal(t, log.Lines("append-only"), 0, "warnings")
}

// Windows may come late, in any order, from several instances, and again and again.
func TestAnIDIsAddedOnce(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	a, _ := started(t, url(s.Addr))
	b, _ := started(t, url(s.Addr))
	for _, i := range []int{3, 1, 3, 2, 1, 2} {
		sinktest.Recovers(t, a, i)
		sinktest.Recovers(t, b, i)
	}
	wantReports(t, s, "footfall_3", "footfall_1", "footfall_2")
	do(t, s, "XTRIM", "counts", "MAXLEN", 0) // a consumer has taken them
	sinktest.Recovers(t, a, 2)
	wantReports(t, s)
	do(t, s, "DEL", "counts") // an operator begins again
	sinktest.Recovers(t, a, 2)
	wantReports(t, s, "footfall_2")
}

// An answer that is lost leaves the report in doubt, and its repetition adds nothing.
func TestAReportInDoubtIsInTheStreamOnce(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, _ := started(t, url(proxy.Addr))
	sinktest.Recovers(t, p, 1)
	happened, _ := proxy.DropReply("+added")
	check.Says(t, sinktest.Publish(t, p, 2), "in doubt")
	<-happened
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, "footfall_1", "footfall_2")
}

func TestIDsAreKeptForEightDays(t *testing.T) {
	t.Parallel()
	const kept = 8 * 24 * time.Hour
	s := servers.StartRedis(t)
	p, _ := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 1)
	if ttl := check.Value(client(t, s).TTL(t.Context(), ids).Result())(t); ttl > kept || ttl < kept-time.Minute {
		t.Errorf("the ids are kept for %v after the last one", ttl)
	}
	for i, age := range map[int]time.Duration{2: kept + time.Second, 3: kept - time.Hour} {
		do(t, s, "ZADD", ids, time.Now().Add(-age).Unix(), sinktest.Report(i).ID)
	}
	for _, i := range []int{4, 2, 3} { // the first one removes what is too old
		sinktest.Recovers(t, p, i)
	}
	wantReports(t, s, "footfall_1", "footfall_4", "footfall_2")
}

// However many windows come in 8 days, the ids are bounded, and the oldest ones are removed.
func TestTheIDsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 700_000
	s := servers.StartRedis(t, "--appendonly", "no")
	p, log := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 1)
	check.Equal(t, log.Lines("keeps no append-only file", "level=WARN"), 1, "warnings of a server that forgets")
	do(t, s, "ZADD", ids, 1+time.Now().Add(-time.Hour).Unix(), sinktest.Report(1).ID)
	for i := range 35 { // in steps, so that the server answers in between
		do(t, s, "EVAL", `for i = 0, 19999, 1000 do
  local many = {}
  for n = i, i + 999 do
    many[#many + 1] = ARGV[2]
    many[#many + 1] = ARGV[1] + n
  end
  redis.call('ZADD', KEYS[1], unpack(many))
end
return 1`, 1, ids, i*20_000, time.Now().Unix())
	}
	do(t, s, "ZADD", ids, 2, "a", 2, "b")
	for i, want := range []int{most, most} {
		sinktest.Recovers(t, p, 2+i)
		check.Equal(t, do(t, s, "ZCARD", ids), any(int64(want)), "ids after %d reports", i+1)
	}
	check.Is(t, client(t, s).ZScore(t.Context(), ids, sinktest.Report(1).ID).Err(), redis.Nil, "the oldest id")
	check.OK(t, client(t, s).ZScore(t.Context(), ids, sinktest.Report(3).ID).Err(), "the newest id")
	wantReports(t, s, "footfall_1", "footfall_2", "footfall_3")
}

func TestTheStreamHasItsLongestLength(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	p, _ := started(t, url(s.Addr)+"?maxlen=2&db=3")
	for i := range 4 {
		sinktest.Recovers(t, p, i)
	}
	check.Equal(t, do(t, s, "EXISTS", "counts"), any(int64(0)), "streams in database 0")
	c := s.Client()
	defer func() { _ = c.Close() }()
	conn := c.Conn()
	defer func() { _ = conn.Close() }()
	check.Must(t, conn.Select(t.Context(), 3).Err())
	all := check.Value(conn.XRange(t.Context(), "counts", "-", "+").Result())(t)
	check.Equal(t, len(all), 2, "entries")
	check.Equal(t, fmt.Sprint(all[0].Values["id"], all[1].Values["id"]), "footfall_2footfall_3", "entries")
	check.Equal(t, check.Value(conn.ZCard(t.Context(), ids).Result())(t), 4, "ids")
}

func TestPublisherIsAPublisher(t *testing.T) {
	t.Parallel()
	sinktest.Conformance(t, sink)
}
