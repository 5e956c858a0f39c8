package redisnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// checkKind returns an error for a server of another kind than the URL names, with the URL
// that is meant. info is what the server says of itself.
func (n *Node) checkKind(ctx context.Context, c *redis.Conn, info map[string]map[string]string) error {
	addr := n.Addr()
	if n.master != nil {
		addr, _ = n.master.server()
	}
	url := urlOf(info, addr, n.tls)
	switch {
	case info["Server"]["redis_mode"] == "cluster":
		return unusable("it is a member of a Redis Cluster, whose keys lie on many servers", fmt.Errorf(
			"%s is a member of a Redis Cluster, whose keys lie on many servers; want FOOTFALL_STORE=%s", addr, url))
	case info["Server"]["redis_mode"] == "sentinel":
		known, _ := mastersOf(c.Do(ctx, "SENTINEL", "masters")) // without the right, NAME says what is wanted
		if len(known) > 0 {
			url = strings.TrimSuffix(url, "NAME") + strings.Join(known, ",")
		}
		return unusable("it is a Sentinel, which has no counts", fmt.Errorf(
			"%s is a Sentinel, which has no counts; want FOOTFALL_STORE=%s", addr, url))
	case info["Replication"]["role"] != "slave":
		return nil
	case n.master != nil: // a failover is under way, or the Sentinel is cut off
		_, sentinel := n.master.server()
		n.master.doubt()
		return notApplied(fmt.Errorf("master %s is %s by the Sentinel %s, which is a replica", n.master.name, addr, sentinel))
	}
	r := info["Replication"]
	return unusable("READONLY it is a replica, and not the primary", fmt.Errorf(
		"%s is a replica of %s; name the primary: %s", addr, net.JoinHostPort(r["master_host"], r["master_port"]), url))
}

// warnOfReplicas logs once when a master that is cut off would go on taking writes: a
// Sentinel can't demote it, and what it took is lost when it is back. wait needs no such
// setting.
func (n *Node) warnOfReplicas(replication map[string]string) {
	_, refuses := replication["min_slaves_good_slaves"]
	if n.master == nil || n.replicas > 0 || refuses || replication["connected_slaves"] == "0" || !n.warnedReplicas.CompareAndSwap(false, true) {
		return
	}
	n.log.Warn("a master that is cut off goes on taking writes, and those beyond 10 s are lost; set min-replicas-to-write 1 and min-replicas-max-lag 5",
		"node", n.id)
}

// urlOf is the URL for a server of which info tells the kind: of the primary for a replica.
func urlOf(info map[string]map[string]string, addr string, tls bool) string {
	scheme := "redis"
	if tls {
		scheme = "rediss"
	}
	r := info["Replication"]
	switch {
	case info["Server"]["redis_mode"] == "cluster":
		return scheme + "+cluster://" + addr
	case info["Server"]["redis_mode"] == "sentinel":
		return scheme + "+sentinel://" + addr + "/NAME"
	case r["role"] == "slave":
		addr = net.JoinHostPort(r["master_host"], r["master_port"])
	}
	return scheme + "://" + addr
}

// mastersOf are the names in the answer to SENTINEL MASTERS, sorted.
func mastersOf(cmd *redis.Cmd) (names []string, err error) {
	all, err := cmd.Slice()
	for _, one := range all {
		fields, _ := one.([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			if name, ok := fields[i+1].(string); ok && fields[i] == "name" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, err
}

// saysUnusable is what a server says that only an operator can mend, "" for other errors.
func saysUnusable(err error) string {
	if errors.Is(err, counting.ErrUnusable) {
		return counting.ServerSays(err)
	}
	return ""
}
