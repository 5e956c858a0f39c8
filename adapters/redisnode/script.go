package redisnode

import (
	"context"
	"embed"
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
// refused there as a whole.
const (
	writes = "#!lua\n"
	frees  = "#!lua flags=allow-oom\n"
	reads  = "#!lua flags=no-writes\n"
)

// How a script ends: it checks the first arguments and calls a function with the
// others.
const (
	forAny  = "return %s(unpack(ARGV, 2))\n"
	forNode = `if not T[1] then return {'NOINIT'} end
if T[1] ~= ARGV[1] then return {'WRONGNODE'} end
` + forAny
	forEpoch = `if not T[1] then return {'NOINIT'} end
if T[1] ~= ARGV[1] then return {'WRONGNODE'} end
if tonumber(ARGV[2]) < fence then return {'STALE'} end
if tonumber(ARGV[2]) > open then return {'AHEAD'} end
return %s(unpack(ARGV, 3))
`
	forTable = `if not T[1] then return {'NOINIT'} end
if T[1] ~= ARGV[1] then return {'WRONGNODE'} end
return check_table(ARGV[2]) or %s(unpack(ARGV, 3))
`
	forFenced = "return check_fenced(unpack(ARGV, 2, 4)) or %s(unpack(ARGV, 5))\n"
)

// script is one call of the ports. act names it in errors.
type script struct {
	*redis.Script
	act string
}

// newScript is the script that calls a function of the last of the files.
func newScript(flags, ending, function string, files ...string) script {
	var text strings.Builder
	text.WriteString(flags)
	for _, name := range append([]string{"node"}, files...) {
		b, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic("redisnode: " + err.Error()) // the files are part of the program
		}
		text.Write(b)
	}
	fmt.Fprintf(&text, ending, function)
	return script{redis.NewScript(text.String()), strings.ReplaceAll(function, "_", " ")}
}

// scripts are those of a node, one for each call of the ports.
type scripts struct {
	apply, applyMore, read, list                     script
	heartbeat, seal, distinct, endpoints, retire     script
	claim, advance, entry, entries, importEntries    script
	fence, accept, open, state, summary              script
	incoming, claimArcs, fetch, importChunk, confirm script
	findKeys, readParts                              script
	retireArc, closeArc, sweep                       script
}

func newScripts() scripts {
	ledger := []string{"tables", "ledger"}
	ring := []string{"tables", "keys", "ring"}
	moves := []string{"tables", "items", "keys", "moves"}
	return scripts{
		apply:         newScript(writes, forNode, "apply", "items", "apply"),
		applyMore:     newScript(writes, forNode, "apply", "items", "apply", "keys", "keyed"),
		read:          newScript(reads, forEpoch, "read", "read"),
		readParts:     newScript(reads, forEpoch, "read_parts", moves...),
		list:          newScript(reads, forEpoch, "list", "read"),
		heartbeat:     newScript(frees, forNode, "heartbeat", "keys", "windows"),
		seal:          newScript(frees, forNode, "seal", "windows"),
		distinct:      newScript(reads, forNode, "distinct", "windows"),
		endpoints:     newScript(reads, forNode, "endpoints", "windows"),
		retire:        newScript(frees, forNode, "retire", "windows"),
		claim:         newScript(frees, forNode, "claim", ledger...),
		advance:       newScript(frees, forNode, "advance", ledger...),
		entry:         newScript(reads, forNode, "entry", ledger...),
		entries:       newScript(frees, forNode, "entries", ledger...),
		importEntries: newScript(frees, forTable, "import_entries", ledger...),
		fence:         newScript(frees, forAny, "fence_ring", ring...),
		accept:        newScript(frees, forFenced, "accept_ring", ring...),
		open:          newScript(frees, forFenced, "open_ring", ring...),
		state:         newScript(reads, forNode, "ring_state", ring...),
		summary:       newScript(reads, forNode, "ring_summary", ring...),
		incoming:      newScript(reads, forTable, "incoming", moves...),
		claimArcs:     newScript(frees, forTable, "claim_arcs", moves...),
		fetch:         newScript(reads, forTable, "fetch", moves...),
		importChunk:   newScript(frees, forTable, "import", moves...),
		confirm:       newScript(frees, forTable, "confirm", moves...),
		findKeys:      newScript(reads, forEpoch, "find_keys", moves...),
		retireArc:     newScript(frees, forTable, "retire_arc", moves...),
		closeArc:      newScript(frees, forTable, "close_arc", moves...),
		sweep:         newScript(frees, forTable, "sweep", "tables", "keys", "sweep"),
	}
}

// refusals are the errors for the words with which a script refuses.
func refusals() map[string]error {
	return map[string]error{
		"NOINIT":     counting.ErrUninitialized,
		"WRONGNODE":  counting.ErrWrongNode,
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
		"ORDER":      fmt.Errorf("%w: an earlier step of the window is missing", counting.ErrNotApplied),
	}
}

// run runs a script with the node's id and args. It returns the answer after its first
// word. The error is that of the client (failed), or one of refusals.
func (n *Node) run(ctx context.Context, s script, args ...any) (answer, error) {
	_, answer, err := n.call(ctx, n.client, s, args)
	return answer, err
}

// call is run on the client, or on one connection of it. It also returns the word: OK or
// another one of the script.
func (n *Node) call(ctx context.Context, on redis.Scripter, s script, args []any) (word string, rest answer, err error) {
	v, err := s.Run(ctx, on, nil, append([]any{string(n.id)}, args...)...).Slice()
	if err != nil {
		err = failed(err)
	} else if word = answer(v).text(0); word == "" {
		err = fmt.Errorf("it answered %v", v)
	} else {
		err = n.refusals[word]
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s on %s: %w", s.act, n.id, err)
	}
	return word, v[1:], nil
}
