package redisnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// probe returns the first of the commands that the user may not run on a key of Footfall.
func probe() string {
	mayRun, _ := sources.ReadFile("lua/rights.lua") // the files are part of the program
	return "local STATE = 'ff:T'\n" + string(mayRun) + `for _, name in ipairs(ARGV) do
  if not may_run(name) then return name end
end
return ''`
}

// commands are those that the scripts run.
func commands() (names []any) {
	files, _ := fs.Glob(sources, "lua/*.lua")
	calls := regexp.MustCompile(`call\('([A-Z]+)'`)
	seen := make(map[string]bool)
	for _, file := range files {
		text, _ := sources.ReadFile(file) // the files are part of the program
		for _, call := range calls.FindAllSubmatch(text, -1) {
			if name := string(call[1]); !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// checks are those at the start of every connection.
type checks struct {
	// node and addr name the server in lines of the log and in errors.
	node       string
	addr       func() string
	user       string
	commands   []any // that the scripts run
	cluster    bool  // it has to be a member of a Redis Cluster; otherwise it may not be one
	db         int
	tls, waits bool    // whether a batch waits for replicas
	master     *master // finds the server; nil: its address is fixed
	log        *slog.Logger

	warned         atomic.Bool // that the server writes no append-only file
	warnedReplicas atomic.Bool // that the server takes writes without replicas
	syncing        atomic.Bool // the server syncs the file once a second, and has WAITAOF
}

func (k *checks) words(says string) string {
	says, _, _ = strings.Cut(says, " script: ")
	if k.user != "" {
		says = strings.ReplaceAll(says, "User "+k.user+" ", "The user ")
	}
	return says
}

// preflight checks the server at the start of every connection. It refuses a server
// that could evict counts. It logs a warning for a server that could lose them in a
// crash.
func (k *checks) preflight(ctx context.Context, c *redis.Conn) error {
	info, err := c.InfoMap(ctx, "server", "memory", "persistence", "replication").Result()
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "NOPERM"):
		return setup("%s: INFO is needed, and what docs/redis.md lists", k.words(err.Error()))
	case err != nil && isSetup(err):
		return refusedAtOnce(k.words(err.Error()))
	case err != nil:
		return notApplied(err)
	}
	if err := k.checkKind(ctx, c, info); err != nil {
		return err
	}
	if k.db > 0 { // other kinds of servers refuse it, and say less than checkKind
		if err := c.Select(ctx, k.db).Err(); err != nil && begins(err.Error(), "ERR") {
			return refusedAtOnce(err.Error())
		} else if err != nil {
			return notApplied(err)
		}
	}
	if info["Persistence"]["loading"] == "1" { // it writes no append-only file now, whatever its setting
		const says = "LOADING Redis is loading the dataset in memory"
		return notApplied(&counting.ServerError{Says: says, Err: errors.New(says)})
	}
	hasWaitAOF, err := checkVersion(info["Server"]["redis_version"])
	if err != nil {
		return err
	}
	if info["Persistence"]["aof_enabled"] == "1" && hasWaitAOF {
		// A server that hides its configuration is assumed to have the default.
		how, err := c.ConfigGet(ctx, "appendfsync").Result()
		k.syncing.Store(err != nil || how["appendfsync"] == "everysec")
	}
	if err := k.checkRights(ctx, c); err != nil {
		return err
	}
	if policy := info["Memory"]["maxmemory_policy"]; policy != "" && policy != "noeviction" && info["Memory"]["maxmemory"] != "0" {
		return setup("maxmemory-policy is %s, so redis may delete counts: want noeviction", policy)
	}
	if info["Persistence"]["aof_enabled"] == "0" && k.warned.CompareAndSwap(false, true) {
		k.log.Warn("redis keeps no append-only file, so a crash of it loses counts: set its appendonly to yes, unless they may be lost", "node", k.node)
	}
	if k.master != nil { // without the right, no window could be sealed
		if _, err := k.master.replicas(ctx); errors.Is(err, counting.ErrUnusable) {
			return err
		}
	}
	k.warnOfReplicas(info["Replication"])
	return nil
}

// checkVersion returns whether a server of the version has WAITAOF. Valkey states the last
// version of Redis that it is compatible with.
func checkVersion(version string) (hasWaitAOF bool, err error) {
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // what is no version is 0.0
	if major < 7 {
		return false, setup("redis %s is too old, want 7.0 or later", version)
	}
	return major > 7 || minor >= 2, nil
}

// checkRights refuses a user who may not run a command that is needed. Nodes that arcs move
// between need WAITAOF where the server syncs once a second.
func (k *checks) checkRights(ctx context.Context, c *redis.Conn) error {
	needed := k.commands
	if k.syncing.Load() && !k.cluster {
		needed = append(slices.Clip(needed), "WAITAOF")
	}
	missing, err := c.Eval(ctx, probe(), nil, needed...).Text()
	switch {
	case err == nil && missing != "":
		return setup("the user may not run %s; docs/redis.md lists the rights that are needed", missing)
	case err != nil && isSetup(err):
		return refusedAtOnce(k.words(err.Error()))
	}
	return nil
}
