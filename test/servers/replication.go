package servers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Offset is how much of the stream of replication a server has, by the field
// master_repl_offset or slave_repl_offset. A master that has no master lacks the second one.
func (c *Cluster) Offset(s *Redis, field string) (offset int, ok bool) {
	text, _ := c.Try(s, "info", "replication")
	found := regexp.MustCompile(field + `:(\d+)`).FindStringSubmatch(fmt.Sprint(text))
	if found == nil {
		return 0, false
	}
	offset, err := strconv.Atoi(found[1])
	return offset, err == nil
}

// AwaitReplicas returns when the replicas of a server have all that it has written. WAIT says
// that only of what its own connection has written.
func (c *Cluster) AwaitReplicas(of *Redis) {
	c.tb.Helper()
	c.await("the replicas of "+of.Addr+" have all that it has written", func() bool {
		want, ok := c.Offset(of, "master_repl_offset")
		for _, r := range c.Replicas(of) {
			has, follows := c.Offset(r, "slave_repl_offset")
			ok = ok && follows && has >= want
		}
		return ok
	})
}

// AwaitTakeover returns when a replica of a master that was killed is a master.
func (c *Cluster) AwaitTakeover(replica *Redis) {
	c.tb.Helper()
	c.await(replica.Addr+" takes over", func() bool { return c.isMaster(replica) })
}

func (c *Cluster) isMaster(s *Redis) bool {
	text, _ := c.Try(s, "info", "replication")
	return strings.Contains(fmt.Sprint(text), "role:master")
}
