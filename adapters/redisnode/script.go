package redisnode

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

//go:embed lua
var sources embed.FS

// The flags of scripts. Those that close windows or change the ring also run on
// a server that is full, because they free its memory. Others that write are
// refused there as a whole. Those that read run with the flags of frees at first: a
// server that was demoted has old numbers, and refuses what may write.
const (
	writes = "#!lua\n"
	frees  = "#!lua flags=allow-oom\n"
	reads  = "#!lua flags=no-writes\n"
)

// How a script ends: it checks the first arguments and calls a function with the
// others.
const (
	forAny  = "return %s(unpack(ARGV, 3))\n"
	forNode = `if not T[1] then return {'NOINIT'} end
` + forAny
	forEpoch = `if not T[1] then return {'NOINIT'} end
if tonumber(ARGV[3]) < fence then return {'STALE'} end
if tonumber(ARGV[3]) > open then return {'AHEAD'} end
return gap(ARGV[4], ARGV[5]) or %s(unpack(ARGV, 6))
`
	forTable = `if not T[1] then return {'NOINIT'} end
return check_table(ARGV[3]) or %s(unpack(ARGV, 4))
`
	forFenced = "return check_fenced(unpack(ARGV, 3, 5)) or %s(unpack(ARGV, 6))\n"
)

// script is one call of the ports. act names it in errors. One that reads has another
// form for a primary that takes no writes.
type script struct {
	*redis.Script
	act      string
	readOnly *redis.Script
}

// run runs the script. One that reads is repeated once if the server has closed the
// connection: it may have been idle for too long. A server that refuses to read because it
// can't save, or misses replicas, is no replica: Redis checks that first. So it may read
// all the same.
func (s script) run(ctx context.Context, on redis.Scripter, keys []string, args []any) ([]any, error) {
	v, err := s.Run(ctx, on, keys, args...).Slice()
	if err != nil && s.readOnly != nil && isClosed(err) {
		v, err = s.Run(ctx, on, keys, args...).Slice()
	}
	if err != nil && s.readOnly != nil && begins(err.Error(), "MISCONF", "NOREPLICAS") {
		return s.readOnly.Run(ctx, on, keys, args...).Slice()
	}
	return v, err
}

// newScript is the script that calls a function of the last of the files.
func newScript(flags, ending, function, files string) script {
	var text strings.Builder
	for _, name := range strings.Fields("node " + files) {
		b, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic("redisnode: " + err.Error()) // the files are part of the program
		}
		text.Write(b)
	}
	fmt.Fprintf(&text, ending, function)
	s := script{redis.NewScript(flags + text.String()), actOf(function), nil}
	if flags == reads {
		s.readOnly, s.Script = s.Script, redis.NewScript(frees+text.String())
	}
	return s
}

// applyIDs is apply for batches with ids, and applyMore for those with items of any kind. Most
// batches have visits alone, and their script defines nothing else.
const (
	applyIDs  = "apply ids"
	applyMore = "apply more"
)

// actOf is what the script of a function does, for errors.
func actOf(function string) string {
	switch function {
	case "apply":
		return "apply batch"
	case "ring_state", "ring_summary":
		return "read the ring"
	case "heartbeat":
		return "send heartbeat"
	case "waiting":
		return "list waiting windows"
	case "entry", "entries":
		return "read ledger"
	}
	return strings.ReplaceAll(function, "_", " ")
}

// newScripts are the scripts by their functions, one for each call of the ports.
func newScripts() map[string]script {
	const ring, moves = "shared rights tables clock keys units history ring", "shared tables items keys units history moves"
	scripts := map[string]script{
		applyIDs:  newScript(writes, forNode, "apply", "shared clock items units visits ids batch"),
		applyMore: newScript(writes, forNode, "apply", "shared clock items units history visits ids keys keyed batch"),
	}
	for _, s := range []struct{ flags, ending, files, functions string }{
		{writes, forNode, "items units visits batch", "apply"},
		{reads, forEpoch, "shared read", "read list"},
		{frees, forNode, "shared clock keys tables deadletters windows", "heartbeat"},
		{frees, forNode, "shared clock windows", "retire"},
		{frees, forNode, "shared tables clock windows", "seal"},
		{reads, forNode, "shared clock windows", "waiting distinct endpoints"},
		{frees, forNode, "shared tables deadletters ledger", "claim advance entries"},
		{reads, forNode, "shared tables deadletters", "list_dead_letters"},
		{frees, forNode, "shared tables deadletters", "claim_dead_letters release_dead_letters forget_dead_letters add_dead_letters"},
		{reads, forNode, "shared tables deadletters ledger", "entry"},
		{frees, forTable, "shared tables deadletters ledger", "import_entries"},
		{frees, forAny, ring, "fence_ring"},
		{frees, forFenced, ring, "accept_ring make_arcs open_ring"},
		{reads, forNode, ring, "ring_state ring_summary"},
		{reads, forTable, moves, "incoming fetch"},
		{frees, forTable, moves, "claim_arcs import confirm retire_arc close_arc"},
		{reads, forEpoch, "shared units history read listed", "list_histories"},
		{reads, forEpoch, moves, "find_keys read_parts read_history"},
		{frees, forNode, "shared rights clock units history pack compact", "keep_history prepare_history compact drop_history"},
		{frees, forTable, "shared tables keys sweep", "sweep"},
	} {
		for _, function := range strings.Fields(s.functions) {
			scripts[function] = newScript(s.flags, s.ending, function, s.files)
		}
	}
	return scripts
}

// refusals are the errors for the words with which a script refuses.
func refusals() map[string]error {
	return map[string]error{
		"NOINIT":     counting.ErrUninitialized,
		"STALE":      counting.ErrStale,
		"AHEAD":      counting.ErrAhead,
		"EARLY":      counting.ErrTooEarly,
		"RETIRED":    counting.ErrRetired,
		"BUSY":       counting.ErrBusy,
		"STALETOKEN": counting.ErrStaleToken,
		"CONFLICT":   sharding.ErrConflict,
		"ARRIVING":   counting.Moving,
		"MOVING":     sharding.ErrMoving,
		"UNFINISHED": counting.ErrUnfinished,
		"CORRUPT":    counting.Corrupt,
		"MISSING":    counting.Missing,
		"CURSOR":     notApplied(errors.New("the cursor is another node's")),
		"ORDER":      notApplied(errors.New("an earlier step of the window is missing")),
	}
}
