package redisnode_test

import (
	"fmt"
	"strings"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/test/check"
)

// The tags are stored: other ones find no counts.
func TestTagsOfPartitionsStayTheSame(t *testing.T) {
	t.Parallel()
	prefixes := func(n int) (all []string) {
		o := check.Value(redisnode.ParseClusterURL(fmt.Sprintf("redis+cluster://n1?partitions=%d", n)))(t)
		c := redisnode.NewCluster(o)
		defer func() { _ = c.Close() }()
		for _, p := range c.Partitions() {
			all = append(all, p.Prefix())
		}
		return all
	}
	check.Equal(t, strings.Join(prefixes(4), " "), "ff:{13280}: ff:{1296}: ff:{2821}: ff:{16248}:", "prefixes")
	for n := 1; n <= 256; n *= 2 {
		check.Equal(t, prefixes(n)[0], prefixes(1)[0], "the first one of %d", n)
	}
}
