package redisnode_test

import (
	"strings"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/test/check"
)

func TestURLsOfARedisCluster(t *testing.T) {
	t.Parallel()
	o := check.Value(redisnode.ParseClusterURL("redis+cluster://me:a%40b@N1,n2:7000?partitions=64&wait=2&pool_size=3"))(t)
	check.Equal(t, strings.Join(o.Addrs, " "), "n1:6379 n2:7000", "addresses")
	check.Equal(t, o.Username+" "+o.Password, "me a@b", "credentials")
	check.Equal(t, [3]int{o.Partitions, o.Wait, o.PoolSize}, [3]int{64, 2, 3}, "parameters")
	check.Equal(t, check.Value(redisnode.ParseClusterURL("redis+cluster://n1"))(t).Partitions, 16, "partitions")
	if o := check.Value(redisnode.ParseClusterURL("rediss+cluster://n1"))(t); o.TLS == nil {
		t.Error("no TLS")
	}
	for url, why := range map[string]string{
		"redis://n1":                        "want redis+cluster:// or rediss+cluster://",
		"redis+cluster://n1/0":              "no database number",
		"redis+cluster://n1,n1":             "twice",
		"redis+cluster://":                  "no host:port",
		"redis+cluster://n1?partitions=3":   "partitions: want a power of two from 1 to 256",
		"redis+cluster://n1?partitions=512": "want a power of two",
		"redis+cluster://n1?partition=16":   "partition",
		"redis+cluster://n1?ca=x":           "ca",
	} {
		_, err := redisnode.ParseClusterURL(url)
		check.Says(t, err, why)
	}
}
