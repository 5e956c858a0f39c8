package redisstream_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/redisstream"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

const ids = "{counts}:ids" // those of the stream counts

func url(addr string) string { return "redis-stream://" + addr + "/counts" }

func started(t *testing.T, url string) (*redisstream.Publisher, *check.Log) {
	t.Helper()
	return sinktest.Start(t, redisstream.ParseURL, redisstream.New, url)
}

// client is a connection of the test's own.
func client(t *testing.T, s *servers.Redis) *redis.Client {
	t.Helper()
	c := s.Client()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func do(t *testing.T, s *servers.Redis, args ...any) any {
	t.Helper()
	return check.Value(client(t, s).Do(t.Context(), args...).Result())(t)
}

func entries(t *testing.T, s *servers.Redis) []redis.XMessage {
	t.Helper()
	return check.Value(client(t, s).XRange(t.Context(), "counts", "-", "+").Result())(t)
}

func wantReports(t *testing.T, s *servers.Redis, want ...string) {
	t.Helper()
	var got []string
	for _, m := range entries(t, s) {
		got = append(got, fmt.Sprint(m.Values["id"]))
	}
	check.Equal(t, strings.Join(got, " "), strings.Join(want, " "), "the stream")
}

// sink is the adapter with a server of its own.
func sink(t *testing.T) sinktest.Sink {
	t.Helper()
	server := servers.StartRedis(t)
	s := sinktest.Of("redis stream", redisstream.ParseURL, redisstream.New)
	s.Addr, s.Taken, s.URL = server.Addr, "+added", url
	s.Read = func(t *testing.T) (all []publishing.Report) {
		for _, m := range entries(t, server) {
			all = append(all, sinktest.Decode(t, []byte(fmt.Sprint(m.Values["body"]))))
		}
		return all
	}
	return s
}
