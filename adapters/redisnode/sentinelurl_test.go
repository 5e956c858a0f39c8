package redisnode_test

import (
	"slices"
	"strings"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/test/check"
)

func TestAMasterNameIsANode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url       string
		nodes     []string // id and address, in order
		sentinels string
	}{
		{"redis+sentinel://a/mymaster", []string{"redis_mymaster sentinel/mymaster"}, "a:26379"},
		{"redis+sentinel://a:1,B/z,y.1-2_3", []string{"redis_y.1-2_3 sentinel/y.1-2_3", "redis_z sentinel/z"}, "a:1 b:26379"},
		{"redis+sentinel://[::1]:7,[::2]/M,m", []string{"redis_M sentinel/M", "redis_m sentinel/m"}, "[::1]:7 [::2]:26379"},
		{"rediss+sentinel://me:a%2Fb@a/m?server_name=b&wait=1", []string{"redis_m sentinel/m"}, "a:26379"},
	} {
		options, err := redisnode.ParseSentinelURL(c.url)
		var got []string
		for _, o := range options {
			got = append(got, string(o.ID)+" "+o.Addr)
			check.Equal(t, strings.Join(o.Sentinels.Addrs, " "), c.sentinels, "%s: Sentinels", c.url)
		}
		if err != nil || !slices.Equal(got, c.nodes) {
			t.Errorf("%s: %q, %v; want %q", c.url, got, err, c.nodes)
		}
	}
}

func TestServersAndSentinelsHaveTheirOwnCredentials(t *testing.T) {
	t.Parallel()
	options := check.Value(redisnode.ParseSentinelURL(
		"rediss+sentinel://me:a%40b@s/x,y?db=3&sentinel_user=it&sentinel_password=c%40d%26&pool_size=3&idle_time=20s&wait=1"))(t)
	check.Equal(t, len(options), 2, "nodes")
	for _, o := range options {
		if o.Username != "me" || o.Password != "a@b" || o.DB != 3 || o.TLS == nil || o.PoolSize != 3 || o.Wait != 1 ||
			o.Sentinels.Username != "it" || o.Sentinels.Password != "c@d&" {
			t.Errorf("%+v, %+v", o, o.Sentinels)
		}
	}
	options = check.Value(redisnode.ParseSentinelURL("redis+sentinel://s/x?sentinel_password=p"))(t)
	if o := options[0]; o.Username != "" || o.Password != "" || o.DB != 0 || o.TLS != nil || o.Sentinels.Username != "" || o.Sentinels.Password != "p" {
		t.Errorf("%+v, %+v", o, o.Sentinels)
	}
}

func TestABadURLOfSentinelsIsReportedWithoutPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, want string }{
		{"redis://a/m", "want redis+sentinel://"},
		{"redis+sentinel://a", "the name of a master"},
		{"redis+sentinel://a/", "the name of a master"},
		{"redis+sentinel://a/m,", "the name of a master"},
		{"redis+sentinel://a/m,m", "the master m is in the list twice"},
		{"redis+sentinel://a/m/0", `"m/0" is no name of a master`},
		{"redis+sentinel://a/my master", "is no name of a master"},
		{"redis+sentinel:///m", "no host:port"},
		{"redis+sentinel://a,a:26379/m", "a:26379 is in the list twice"},
		{"redis+sentinel://a/m?db=x", "db: want a number"},
		{"redis+sentinel://a/m?db=-1", "db: want a number"},
		{"redis+sentinel://a/m?pool=1", "unknown parameter pool, want one of ca, cert, db, idle_time, key, pool_size, sentinel_password, sentinel_user, server_name, wait"},
		{"redis+sentinel://a/m?ca=x", "for TLS"},
		{"redis+sentinel://a/m?sentinel_user=x", "sentinel_user needs sentinel_password"},
		{"redis+sentinel://a/m?sentinel_password=pw@secret", "percent-encoded, as %40"},
		{"redis+sentinel://me:secret@a/m?sentinel_password=secret@secret", "percent-encoded, as %40"},
		{"redis+sentinel://me:secret@a/m?sentinel_password=secret&x=1", "unknown parameter x"},
		{"redis+sentinel://me:secret%zz@a/m", "percent-encoded"},
	} {
		options, err := redisnode.ParseSentinelURL(c.url)
		if err == nil {
			t.Errorf("%s: %+v, want an error", c.url, options)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, want %q", c.url, err, c.want)
		}
	}
}

func TestAMasterThatJoinsIsNamedByItsName(t *testing.T) {
	t.Parallel()
	options := check.Value(redisnode.ParseSentinelURL("redis+sentinel://me:secret@a,b:7/m"))(t)
	for _, c := range []struct{ where, want string }{
		{"sentinel/other", "redis_other sentinel/other"},
		{"redis+sentinel://a/other", "redis_other sentinel/other"},
		{"rediss+sentinel://B:7,a:26379/other/", "redis_other sentinel/other"},
	} {
		id, addr, err := options[0].LocateMaster(c.where, nil)
		if got := string(id) + " " + addr; err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.where, got, err, c.want)
		}
	}
	for _, c := range []struct{ where, want string }{
		{"sentinel/", "the name of a master"},
		{"sentinel/a,b", "is no name of a master"},
		{"redis://a/other", "want sentinel/NAME"},
		{"n4:6379", "want sentinel/NAME"},
		{"redis+sentinel://a/other?db=1", "want sentinel/NAME"},
		{"redis+sentinel://u:secret@a/other", "has credentials"},
		{"redis+sentinel://c/other", "c:26379 is none of the Sentinels of FOOTFALL_STORE"},
		{"redis+sentinel://a", "the name of a master"},
	} {
		id, addr, err := options[0].LocateMaster(c.where, nil)
		check.Says(t, err, c.want)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %s %s, %v", c.where, id, addr, err)
		}
	}
}

// A member of the ring is found as the configuration says, or not at all.
func TestAMemberIsFoundAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	master := check.Value(redisnode.ParseSentinelURL("redis+sentinel://me:secret@a/m"))(t)[0]
	plain := check.Value(redisnode.ParseURL("redis://me:secret@a"))(t)[0]
	o := check.Value(master.At("redis_x", "sentinel/x"))(t)
	if o.ID != "redis_x" || o.Addr != "sentinel/x" || o.Password != "secret" || o.Sentinels == nil {
		t.Errorf("%+v", o)
	}
	o = check.Value(plain.At("redis_1", "b:1"))(t)
	if o.ID != "redis_1" || o.Addr != "b:1" || o.Password != "secret" {
		t.Errorf("%+v", o)
	}
	_, err := master.At("redis_1", "b:1")
	check.Says(t, err, "b:1 is not found by Sentinels")
	_, err = plain.At("redis_x", "sentinel/x")
	check.Says(t, err, "sentinel/x is found by Sentinels", "redis+sentinel://")
}
