package redisstream_test

import (
	"log/slog"
	"strings"
	"testing"

	"footfall/adapters/redisstream"
	"footfall/domain/checking"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func inspect(t *testing.T, url, secret string) string {
	t.Helper()
	return sinktest.Inspect(t, redisstream.New(check.Value(redisstream.ParseURL(url))(t), slog.New(slog.DiscardHandler)), secret)
}

// The check writes nothing, and finds the stream of a service that runs.
func TestACheckOfASoundServerChangesNothing(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	found := inspect(t, url(s.Addr), "")
	sinktest.FindsNoFault(t, found)
	sinktest.Finds(t, found, checking.OK, s.Addr, "is not there, and the first count makes it")
	check.Equal(t, do(t, s, "DBSIZE"), any(int64(0)), "keys after a check")
	p, _ := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 1)
	found = inspect(t, url(s.Addr), "")
	sinktest.FindsNoFault(t, found)
	sinktest.Finds(t, found, checking.OK, `stream "counts" is there`)
	wantReports(t, s, "footfall_1")
	addUser(t, s, "enough", "password", documentedRights(t))
	sinktest.FindsNoFault(t, inspect(t, strings.Replace(url(s.Addr), "://", "://enough:password@", 1), "password"))
}

func TestACheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	down := servers.FreeAddr(t)
	sinktest.Finds(t, inspect(t, url(down), ""), checking.Fail, down, "not reached", "connection refused")

	s := servers.StartRedis(t)
	do(t, s, "ACL", "SETUSER", "writer", "on", ">right-one", "~*", "+@all", "-xadd")
	with := func(password string) string { return strings.Replace(url(s.Addr), "://", "://writer:"+password+"@", 1) }
	sinktest.Finds(t, inspect(t, with("wrong-one"), "wrong-one"), checking.Fail, s.Addr, "WRONGPASS", "FOOTFALL_PUBLISHER")
	sinktest.Finds(t, inspect(t, with("right-one"), "right-one"), checking.Fail, "the user may not run XADD")
	do(t, s, "SET", "counts", "1")
	sinktest.Finds(t, inspect(t, url(s.Addr), ""), checking.Fail, "the key counts is a string, want a stream")
	do(t, s, "DEL", "counts")
	do(t, s, "REPLICAOF", "127.0.0.1", 1)
	sinktest.Finds(t, inspect(t, url(s.Addr), ""), checking.Fail, "READONLY", "name its primary")
}

func TestACheckFindsAServerThatLosesCounts(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t, "--appendonly", "no")
	sinktest.Finds(t, inspect(t, url(s.Addr), ""), checking.Warn, "append-only file", "set appendonly to yes")
	do(t, s, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
	sinktest.Finds(t, inspect(t, url(s.Addr), ""), checking.Fail, "maxmemory-policy is allkeys-lru", "want noeviction")
}
