package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// What a server that answers can refuse with. The reason is shown while it lasts, the stream has
// nothing of what was refused, and reports are taken when it ends.
func TestAServerThatRefusesTakesReportsWhenItIsMended(t *testing.T) {
	t.Parallel()
	for why, c := range map[string]struct {
		begin, end []any
		gone       bool // the stream is, afterwards
	}{
		"READONLY":         {[]any{"REPLICAOF", "127.0.0.1", 1}, []any{"REPLICAOF", "NO", "ONE"}, false},
		"OOM":              {[]any{"CONFIG", "SET", "maxmemory", 1}, []any{"CONFIG", "SET", "maxmemory", 0}, false},
		"NOREPLICAS":       {[]any{"CONFIG", "SET", "min-replicas-to-write", 1}, []any{"CONFIG", "SET", "min-replicas-to-write", 0}, false},
		"want a stream":    {[]any{"SET", "counts", "secret"}, []any{"DEL", "counts"}, true},
		"want a zset":      {[]any{"SET", ids, "secret"}, []any{"DEL", ids}, false},
		"may not run ZADD": {[]any{"ACL", "SETUSER", "default", "-zadd"}, []any{"ACL", "SETUSER", "default", "+zadd"}, false},
		"NOPERM":           {[]any{"ACL", "SETUSER", "default", "-evalsha"}, []any{"ACL", "SETUSER", "default", "+evalsha"}, false},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			s := servers.StartRedis(t)
			p, log := started(t, url(s.Addr))
			sinktest.Recovers(t, p, 1)
			do(t, s, c.begin...)
			err := sinktest.Publish(t, p, 2)
			sinktest.MustRefuse(t, err, "publisher refused: redisstream: ", why)
			sinktest.MustRefuse(t, sinktest.Publish(t, p, 3), why)
			away := sinktest.WaitAway(t, p, why)
			check.Equal(t, away.Addr, s.Addr, "where it is")
			check.Equal(t, log.Lines("redis stream is away", why), 1, "lines of the log")
			if strings.Contains(err.Error()+log.String(), "secret") {
				t.Error("a value is in", err, log)
			}
			do(t, s, c.end...)
			sinktest.Recovers(t, p, 4)
			if c.gone {
				wantReports(t, s, "footfall_4")
			} else {
				wantReports(t, s, "footfall_1", "footfall_4")
			}
			check.Equal(t, p.Away(), nil, "the outage")
			check.Equal(t, log.Lines("redis stream is connected"), 2, "lines that say so")
		})
	}
}

// What is wrong is known before there is a report.
func TestAServerThatCannotBeUsedIsAwayFromTheStart(t *testing.T) {
	t.Parallel()
	for why, args := range map[string][]string{
		"maxmemory-policy is allkeys-lru": {"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"},
		"CLUSTERDOWN":                     {"--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(port(t))},
		"NOAUTH":                          {"--requirepass", "secret"},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			s := servers.StartRedis(t, args...)
			p, log := started(t, url(s.Addr))
			first := sinktest.WaitAway(t, p, why)
			sinktest.MustRefuse(t, sinktest.Publish(t, p, 1), why)
			sinktest.WaitFor(t, "it has tried again", func() bool { return p.Away() != first })
			check.Equal(t, log.Lines("redis stream is away"), 1, "lines of the log")
		})
	}
}

// documentedRights are those that the documentation says are enough.
func documentedRights(t *testing.T) string {
	t.Helper()
	docs := check.Value(os.ReadFile("../../docs/redis-streams.md"))(t)
	enough := regexp.MustCompile(`(?m)^ACL SETUSER footfall on >PASSWORD (.+)$`).FindSubmatch(docs)
	check.Equal(t, len(enough), 2, "lines of the docs with rights")
	return string(enough[1])
}

// addUser adds a user with these rights and no other ones.
func addUser(t *testing.T, s *servers.Redis, user, password, rights string) {
	t.Helper()
	set := []any{"ACL", "SETUSER", user, "on", ">" + password, "-@all"}
	for right := range strings.FieldsSeq(rights) {
		set = append(set, right)
	}
	do(t, s, set...)
}

func TestCredentialsAreUsedAndNeverShown(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	for user, rights := range map[string]string{"writer-user": documentedRights(t), "other-user": "+@connection"} {
		addUser(t, s, user, "se:cret@/", rights)
	}
	with := func(user, password string) string {
		return strings.Replace(url(s.Addr), "://", "://"+user+":"+password+"@", 1)
	}
	p, log := started(t, with("writer-user", "se%3Acret%40%2F"))
	sinktest.Recovers(t, p, 1)
	wantReports(t, s, "footfall_1")

	wrong, wrongLog := started(t, with("writer-user", "another-se%3Acret"))
	other, otherLog := started(t, with("other-user", "se%3Acret%40%2F"))
	var said []error
	for _, c := range []struct {
		err  error
		want string
	}{
		{sinktest.Publish(t, wrong, 2), "WRONGPASS invalid username-password pair or user is disabled.; correct user and password in FOOTFALL_PUBLISHER"},
		{sinktest.Publish(t, other, 2), "user has no permissions to run the 'info' command"},
	} {
		sinktest.MustRefuse(t, c.err, c.want)
		said = append(said, c.err)
	}
	text := errors.Join(said...).Error() + log.String() + wrongLog.String() + otherLog.String()
	for _, secret := range []string{"se:cret", "se%3Acret", "writer-user", "other-user"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
}

// A node of a Redis Cluster that has the stream has the ids as well. Another node says who has them.
func TestANodeOfAClusterTakesReportsForItsStreams(t *testing.T) {
	t.Parallel()
	c := servers.StartCluster(t, 2, 0)
	for _, key := range []string{"counts", "a{counts}b", "{counts", "a{{b}c}"} {
		parsed := strings.NewReplacer("{", "%7B", "}", "%7D").Replace(key)
		slot := c.Do(c.Servers[0], "CLUSTER", "KEYSLOT", key).(int64)
		has := c.Master(int(slot))
		for _, s := range c.Servers {
			p, _ := started(t, "redis-stream://"+s.Addr+"/"+parsed)
			err := sinktest.Publish(t, p, 1)
			if s != has {
				sinktest.MustRefuse(t, err, "MOVED", has.Addr, "name the node of the cluster that has the stream")
				continue
			}
			check.OK(t, err, key)
			check.Equal(t, c.Do(has, "XLEN", key), any(int64(1)), "entries of %s", key)
		}
	}
}

// A report that is refused because its time is over is never sent later.
func TestAReportThatIsRefusedIsNotSentLater(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	p, _ := started(t, url(s.Addr))
	sinktest.Recovers(t, p, 1)
	s.Freeze()
	t.Cleanup(s.Thaw)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	errs := []error{p.Publish(ctx, sinktest.Report(2)), sinktest.Publish(t, p, 3), sinktest.Publish(t, p, 4)}
	check.Is(t, errs[0], context.Canceled, "a report whose context is cancelled")
	s.Thaw()
	sinktest.Recovers(t, p, 9)
	refused := 0
	for i, err := range errs {
		there := false
		for _, m := range entries(t, s) {
			there = there || m.Values["id"] == sinktest.Report(2+i).ID
		}
		switch {
		case err == nil:
			t.Errorf("report %d is published by a server that is frozen", 2+i)
		case errors.Is(err, publishing.ErrRefused):
			refused++
			check.Equal(t, there, false, "report %d, which was refused, is in the stream", 2+i)
		}
	}
	check.Equal(t, refused, 3, "reports that are refused: none was sent before the server answered")
}
