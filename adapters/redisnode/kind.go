package redisnode

import (
	"cmp"
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
// that is meant. info is what the server says of itself. A replica in a cluster is no error:
// it answers calls by MOVED.
func (k *checks) checkKind(ctx context.Context, c *redis.Conn, info map[string]map[string]string) error {
	addr := k.addr()
	if k.master != nil {
		addr, _ = k.master.server()
	}
	url := urlOf(info, addr, k.tls)
	switch isMember := modeOf(info) == "cluster"; {
	case isMember && k.cluster:
		return nil
	case isMember:
		return unusable("it is a member of a Redis Cluster, whose keys lie on many servers", fmt.Errorf(
			"%s is a member of a Redis Cluster, whose keys lie on many servers; want FOOTFALL_STORE=%s", addr, url))
	case modeOf(info) == "sentinel":
		known, _ := mastersOf(c.Do(ctx, "SENTINEL", "masters")) // without the right, NAME says what is wanted
		if len(known) > 0 {
			url = strings.TrimSuffix(url, "NAME") + strings.Join(known, ",")
		}
		return unusable("it is a Sentinel, which has no counts", fmt.Errorf(
			"%s is a Sentinel, which has no counts; want FOOTFALL_STORE=%s", addr, url))
	case k.cluster:
		return unusable("it is a single server, and no member of a Redis Cluster", fmt.Errorf(
			"%s is a single server, and no member of a Redis Cluster; want FOOTFALL_STORE=%s", addr, url))
	case info["Replication"]["role"] != "slave":
		return nil
	case k.master != nil: // a failover is under way, or the Sentinel is cut off
		_, sentinel := k.master.server()
		k.master.doubt()
		return notApplied(fmt.Errorf("master %s is %s by the Sentinel %s, which is a replica", k.master.name, addr, sentinel))
	}
	r := info["Replication"]
	return unusable("READONLY it is a replica, and not the primary", fmt.Errorf(
		"%s is a replica of %s; name the primary: %s", addr, net.JoinHostPort(r["master_host"], r["master_port"]), url))
}

// warnOfReplicas logs once when a master that is cut off would go on taking writes: a
// Sentinel can't demote it, and what it took is lost when it is back. wait needs no such
// setting.
func (k *checks) warnOfReplicas(replication map[string]string) {
	_, refuses := replication["min_slaves_good_slaves"]
	if k.master == nil || k.waits || refuses || replication["connected_slaves"] == "0" || !k.warnedReplicas.CompareAndSwap(false, true) {
		return
	}
	k.log.Warn("a master that is cut off goes on taking writes, and those beyond 10 s are lost; set min-replicas-to-write 1 and min-replicas-max-lag 5",
		"node", k.node)
}

// urlOf is the URL for a server of which info tells the kind: of the primary for a replica.
func urlOf(info map[string]map[string]string, addr string, tls bool) string {
	scheme := "redis"
	if tls {
		scheme = "rediss"
	}
	r := info["Replication"]
	switch {
	case modeOf(info) == "cluster":
		return scheme + "+cluster://" + addr
	case modeOf(info) == "sentinel":
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
		if name := fieldsOf(one)["name"]; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// fieldsOf reads name, value, ... of what a Sentinel answers.
func fieldsOf(one any) map[string]string {
	list, _ := one.([]any)
	fields := make(map[string]string)
	for i := 0; i+1 < len(list); i += 2 {
		fields[answer(list).text(i)] = answer(list).text(i + 1)
	}
	return fields
}

// saysUnusable is what a server says that only an operator can mend, "" for other errors.
func saysUnusable(err error) string {
	if errors.Is(err, counting.ErrUnusable) {
		return counting.ServerSays(err)
	}
	return ""
}

// modeOf is standalone, cluster or sentinel. Valkey names the field differently.
func modeOf(info map[string]map[string]string) string {
	return cmp.Or(info["Server"]["redis_mode"], info["Server"]["server_mode"])
}
