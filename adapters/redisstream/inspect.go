package redisstream

import (
	"context"
	"time"

	"footfall/domain/checking"
)

// Inspect connects to the server as the service does: login, version, eviction, the types of the
// keys and all rights are checked by that. It writes nothing. It takes at most
// brokerlink.SetupTime, and as much to ask what survives a crash.
func (p *Publisher) Inspect(ctx context.Context) []checking.Finding {
	list := checking.List{About: "redis stream at " + p.options.Addr}
	begin := time.Now()
	l, err := open(ctx, p.options, func() {})
	if err != nil {
		list.Add(checking.Fail, "", "%v", err)
		return list.All
	}
	defer l.Close()
	list.Add(checking.OK, "", "it takes the login, and would take a count, within %v", time.Since(begin).Round(time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	is, err := l.client.Type(ctx, p.options.Key).Result()
	if err != nil {
		list.Add(checking.Fail, "", "%v", p.options.plain(err))
		return list.All
	}
	if is == "none" {
		list.Add(checking.OK, "", "stream %q is not there, and the first count makes it", p.options.Key)
	} else { // any other type is an error of open
		list.Add(checking.OK, "", "stream %q is there", p.options.Key)
	}
	info, err := l.client.InfoMap(ctx, "server", "persistence").Result()
	if err != nil {
		list.Add(checking.Fail, "", "%v", p.options.plain(err))
		return list.All
	}
	list.Add(checking.OK, "", "Redis %s, which evicts no count", info["Server"]["redis_version"])
	switch persistence := info["Persistence"]; {
	case persistence["aof_enabled"] == "0":
		list.Add(checking.Warn, "set appendonly to yes, unless counts may be lost", "it keeps no append-only file, so a crash of it loses published counts")
	case persistence["aof_last_write_status"] == "err":
		list.Add(checking.Fail, "make room on its disk", "its append-only file can't be written")
	default:
		list.Add(checking.OK, "", "it keeps an append-only file")
	}
	return list.All
}
