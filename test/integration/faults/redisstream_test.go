package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// newStream is a publication to a stream of a server that has a user with a password.
func newStream(t *testing.T) (*publication, *servers.Redis) {
	t.Helper()
	s := servers.StartRedis(t, "--user", "footfall", "on", ">stream-secret", "~*", "+@all")
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms",
		"FOOTFALL_PUBLISHER=redis-stream://footfall:stream-secret@"+s.Addr+"/counts?maxlen=10000")
	p, known := &publication{Deployment: d}, make(map[string]service.Line)
	// A server that doesn't answer has what it had.
	p.taken = func() map[string]service.Line {
		c := s.Client()
		defer func() { _ = c.Close() }()
		all, err := c.XRange(t.Context(), "counts", "-", "+").Result()
		if err != nil {
			return known
		}
		known = make(map[string]service.Line)
		for _, m := range all {
			var l service.Line
			check.Must(t, json.Unmarshal([]byte(fmt.Sprint(m.Values["body"])), &l))
			if _, ok := known[l.ID]; ok || m.Values["id"] != l.ID {
				t.Errorf("window %s is in the stream again, or as %v", l.ID, m.Values["id"])
			}
			known[l.ID] = l
		}
		return known
	}
	return p, s
}

// U3, U4, U6: the server is not there at the start, comes, is full, is killed and away for two
// windows and more, comes back, freezes, becomes a replica, and takes counts again. While it
// takes nothing the counts are in the log. Then they go to the stream, and a replay adds those
// of the log once.
func TestAStreamWhoseServerComesAndGoesLosesNoCount(t *testing.T) {
	t.Parallel()
	p, s := newStream(t)
	do := func(args ...any) error {
		c := s.Client()
		defer func() { _ = c.Close() }()
		return c.Do(t.Context(), args...).Err()
	}
	s.Kill()
	in, f := p.feeds()
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "redisstream is away")
	p.recovers("its first start", s.Start)
	in.Get("/api/verve/windows").Want(t, http.StatusOK, `"published_to":"redisstream"`)

	check.Must(t, do("CONFIG", "SET", "maxmemory", 1))
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "redisstream is away")
	p.recovers("it has memory again", func() error { return do("CONFIG", "SET", "maxmemory", 0) })

	s.Kill()
	p.logGrows(3)
	p.recovers("its return after two windows", s.Start)

	s.Freeze()
	p.logGrows(2)
	p.recovers("its thaw", func() error { s.Thaw(); return nil })

	check.Must(t, do("REPLICAOF", "127.0.0.1", 1))
	p.logGrows(2)
	p.recovers("it is a primary again", func() error { return do("REPLICAOF", "NO", "ONE") })
	p.resolve(f)
	for _, why := range []string{"connection refused", "OOM", "does not answer", "READONLY"} {
		if !strings.Contains(in.Logged(), why) {
			t.Errorf("nothing says %s:\n%s", why, in.Logged())
		}
	}
	check.Equal(t, in.Stop(), 0, "exit code")

	all := p.everything()
	for range 2 { // a replay that is repeated adds nothing
		out, err := p.Command(t.Context(), "publish", "--replay", p.CaptureLog()).CombinedOutput()
		if err != nil || !strings.Contains(string(out), " windows were sent to redisstream") {
			t.Fatalf("%v: %s", err, out)
		}
		check.Equal(t, len(p.taken()), len(all), "windows in the stream after a replay")
	}
	if strings.Contains(in.Logged(), "stream-secret") {
		t.Error("the password is in the log")
	}
}

// A key of another type is one clear line, and the counts are in the log until it is gone.
func TestAKeyOfAnotherTypeSendsCountsToTheLog(t *testing.T) {
	t.Parallel()
	p, s := newStream(t)
	c := s.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.Set(t.Context(), "counts", "mine", 0).Err())
	in, f := p.feeds()
	p.logGrows(2)
	lines := 0
	for line := range strings.Lines(in.Logged()) {
		if strings.Contains(line, `"redis stream is away"`) && strings.Contains(line, "WRONGTYPE the key counts is a string, want a stream") {
			lines++
		}
	}
	check.Equal(t, lines, 1, "lines of the service's log that say why")
	check.Equal(t, c.Get(t.Context(), "counts").Val(), "mine", "the key")
	p.recovers("the key is gone", func() error { return c.Del(t.Context(), "counts").Err() })
	p.resolve(f)
}
