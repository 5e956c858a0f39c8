package redisnode_test

import (
	"slices"
	"strings"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func TestAnAddressIsANode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url   string
		nodes []string // id and address, in order
	}{
		{"redis://localhost:6379", []string{"redis_6379 localhost:6379"}},
		{"redis://localhost", []string{"redis_6379 localhost:6379"}},
		{"redis://localhost/", []string{"redis_6379 localhost:6379"}},
		{"redis://b:7071,a:7070", []string{"redis_7070 a:7070", "redis_7071 b:7071"}},
		{"redis://a:7070,b:7071", []string{"redis_7070 a:7070", "redis_7071 b:7071"}},
		{"redis://a,B", []string{"redis_a_6379 a:6379", "redis_b_6379 b:6379"}},
		{"redis://a:1,b:1,c:2", []string{"redis_2 c:2", "redis_a_1 a:1", "redis_b_1 b:1"}},
		{"redis://[::1]:7070", []string{"redis_7070 [::1]:7070"}},
		{"redis://[::1]", []string{"redis_6379 [::1]:6379"}},
		{"redis://user:a%40b%2Cc@a:7070/3", []string{"redis_7070 a:7070"}},
		{"rediss://a:7070", []string{"redis_7070 a:7070"}},
		{"rediss://a:7070/3?server_name=b", []string{"redis_7070 a:7070"}},
		{"redis://me:se?cret@a?pool_size=3&idle_time=20s&wait=1", []string{"redis_6379 a:6379"}},
	} {
		options, err := redisnode.ParseURL(c.url)
		var got []string
		for _, o := range options {
			got = append(got, string(o.ID)+" "+o.Addr)
		}
		if err != nil || !slices.Equal(got, c.nodes) {
			t.Errorf("%s: %q, %v; want %q", c.url, got, err, c.nodes)
		}
	}
}

func TestEveryNodeGetsTheCredentials(t *testing.T) {
	t.Parallel()
	options, err := redisnode.ParseURL("rediss://me:a%40b%3Ac@x:1,y:2/3")
	if err != nil || len(options) != 2 {
		t.Fatal(options, err)
	}
	for _, o := range options {
		if o.Username != "me" || o.Password != "a@b:c" || o.DB != 3 || o.TLS == nil {
			t.Errorf("%+v", o)
		}
	}
	options, err = redisnode.ParseURL("redis://:secret@x")
	if err != nil || options[0].Username != "" || options[0].Password != "secret" || options[0].TLS != nil {
		t.Errorf("%+v, %v", options, err)
	}
}

func TestABadURLIsReportedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, want string }{
		{"http://a", "want redis://"},
		{"redis:a", "want redis://"},
		{"redis://", "no host:port"},
		{"redis://a,,b", "no host:port"},
		{"redis://a:", "no host:port"},
		{"redis://a:0", "no host:port"},
		{"redis://a:65536", "no host:port"},
		{"redis://a:port", "no host:port"},
		{"redis://:7070", "no host:port"},
		{"redis://a:1,b:2,a:1", "a:1 is in the list twice"},
		{"redis://a,A:6379", "a:6379 is in the list twice"},
		{"redis://a/x", "database"},
		{"redis://a/-1", "database"},
		{"redis://me:secret@a,a", "twice"},
		{"redis://me:secret%zz@a", "percent-encoded"},
		{"redis://me:secret@a:x", "no host:port"},
		{"redis://me:secret@a/x", "database"},
		{"redis://a?b=1", "unknown parameter b, want one of ca, cert, idle_time, key, pool_size, server_name"},
		{"redis://a/?pool_size=0", "pool_size: want a number from 1 to 1000"},
		{"redis://a/1?pool_size=1001", "pool_size"},
		{"redis://a?pool_size=x", "pool_size"},
		{"redis://a?idle_time=999ms", "idle_time: want a duration from 1s to 1h"},
		{"redis://a?idle_time=61m", "idle_time"},
		{"redis://a?idle_time=50", "idle_time"},
		{"redis://a?server_name=b", "for TLS"},
		{"rediss://a?ca=/no/such/file", "no such file"},
	} {
		options, err := redisnode.ParseURL(c.url)
		if err == nil {
			t.Errorf("%s: %+v, want an error", c.url, options)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, want %q", c.url, err, c.want)
		}
	}
}

// N9: a node that joins has a name by one rule, whatever names the members have.
func TestN9ANodeThatJoinsIsNamedByItsPortUnlessOneHasIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ members, where, want string }{
		{"redis_7070 a:7070", "redis://b:7071", "redis_7071 b:7071"},
		{"redis_7070 a:7070", "redis://b:7070", "redis_b_7070 b:7070"},
		{"redis_a_1 a:1, redis_b_1 b:1", "c:1", "redis_c_1 c:1"},
		{"redis_b_1 b:1", "a:1", "redis_a_1 a:1"},       // the first one was removed
		{"redis_a_1 a:1", "redis://A:1", "redis_1 a:1"}, // refused later: it is in the ring
		{"redis_1 a:2", "c:1", "redis_c_1 c:1"},         // a server that was given another port
		{"redis_6379 n1:6379", "n2", "redis_n2_6379 n2:6379"},
		{"redis_6379 n1:6379", "[::1]", "redis_::1_6379 [::1]:6379"},
	} {
		var members []sharding.Member
		for text := range strings.SplitSeq(c.members, ", ") {
			id, addr, _ := strings.Cut(text, " ")
			members = append(members, sharding.Member{ID: counting.NodeID(id), Addr: addr})
		}
		id, addr, err := redisnode.Locate(c.where, members)
		if got := string(id) + " " + addr; err != nil || got != c.want {
			t.Errorf("%s beside %s: %q, %v, want %q", c.where, c.members, got, err, c.want)
		}
	}
}
