package redisnode

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by it
	"embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

//go:embed lua
var sources embed.FS

// script is a Lua script, run by its hash.
type script struct{ text, sha string }

// The flags of scripts: one that closes windows or changes the ring has to
// run on a full server too, or nothing could ever be freed there; the others
// that write are refused as a whole then.
const (
	writes = "#!lua\n"
	frees  = "#!lua flags=allow-oom\n"
	reads  = "#!lua flags=no-writes\n"
)

// load joins the files of a script behind its flags.
func load(flags string, names ...string) script {
	var text strings.Builder
	text.WriteString(flags)
	for _, name := range names {
		b, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic("redisnode: " + err.Error()) // the files are part of the program
		}
		text.Write(b)
	}
	sum := sha1.Sum([]byte(text.String())) //nolint:gosec // Redis names scripts by it
	return script{text.String(), hex.EncodeToString(sum[:])}
}

// scripts are those of a node, one for each call of the ports.
type scripts struct {
	apply, read, list                         script
	attend, seal, distinct, endpoints, retire script
	claim, step, entry, entries               script
	fence, approve, open, standing, pulse     script
	coming, claimArcs, fetch, takeIn          script
	retireArc, closeArc, parts                script
	fetchKeys, takeKeys, findKeys             script
	confirm, sweep, takeEntries               script
}

func newScripts() scripts {
	return scripts{
		apply:       load(writes, "gate", "reasons", "keys", "once", "set", "apply"),
		read:        load(reads, "gate", "read"),
		list:        load(reads, "gate", "list"),
		attend:      load(frees, "gate", "keys", "attend"),
		seal:        load(frees, "gate", "seal"),
		distinct:    load(reads, "gate", "distinct"),
		endpoints:   load(reads, "gate", "endpoints"),
		retire:      load(frees, "gate", "retire"),
		claim:       load(frees, "gate", "ledger", "claim"),
		step:        load(frees, "gate", "ledger", "step"),
		entry:       load(reads, "gate", "ledger", "entry"),
		entries:     load(frees, "gate", "entries"),
		fence:       load(frees, "tables", "lasting", "fence"),
		approve:     load(frees, "lasting", "fenced", "approve"),
		open:        load(frees, "tables", "lasting", "keys", "fenced", "aside", "open"),
		standing:    load(reads, "gate", "standing"),
		pulse:       load(reads, "gate", "keys", "pulse"),
		coming:      load(reads, "gate", "tables", "opened", "coming"),
		claimArcs:   load(frees, "gate", "tables", "lasting", "opened", "stage", "keys", "claimarcs"),
		fetch:       load(reads, "gate", "tables", "opened", "stage", "move", "fetch"),
		takeIn:      load(frees, "gate", "tables", "opened", "stage", "move", "reasons", "takein"),
		retireArc:   load(frees, "gate", "tables", "lasting", "opened", "stage", "move", "keys", "retirearc"),
		fetchKeys:   load(reads, "gate", "tables", "opened", "stage", "move", "keys", "fetchkeys"),
		takeKeys:    load(frees, "gate", "tables", "opened", "stage", "move", "keys", "takekeys"),
		findKeys:    load(reads, "gate", "keys", "findkeys"),
		takeEntries: load(frees, "gate", "tables", "lasting", "opened", "takeentries"),
		closeArc:    load(frees, "gate", "tables", "lasting", "opened", "stage", "move", "closearc"),
		confirm:     load(frees, "gate", "tables", "lasting", "opened", "confirm"),
		sweep:       load(frees, "gate", "tables", "opened", "keys", "sweep"),
		parts:       load(reads, "gate", "tables", "parts"),
	}
}

// refusal is the error for a word that a script answers instead of OK; nil
// for any other word.
func refusal(word string) error {
	switch word {
	case "NOINIT":
		return counting.ErrUninitialized
	case "WRONGNODE":
		return counting.ErrWrongNode
	case "STALE":
		return counting.ErrStale
	case "AHEAD":
		return counting.ErrAhead
	case "EARLY":
		return counting.ErrTooEarly
	case "RETIRED":
		return counting.ErrRetired
	case "BUSY":
		return counting.ErrBusy
	case "STALETOKEN":
		return counting.ErrStaleToken
	case "CONFLICT":
		return sharding.ErrConflict
	case "ARRIVING":
		return counting.Moving
	case "MOVING":
		return sharding.ErrMoving
	case "UNFINISHED":
		return counting.ErrUnfinished
	case "CORRUPT":
		return counting.Corrupt
	case "ORDER":
		return fmt.Errorf("%w: the window has not come so far", counting.ErrNotApplied)
	}
	return nil
}

// run runs a script with the node's id and args, and returns its answer,
// whose first element is the word that tells how it went.
func (n *Node) run(ctx context.Context, s script, args ...any) (word string, answer []any, err error) {
	return n.runOn(ctx, n.client, s, args...)
}

// doer is the client, or one connection of it.
type doer interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}

func (n *Node) runOn(ctx context.Context, on doer, s script, args ...any) (word string, answer []any, err error) {
	call := append([]any{"evalsha", s.sha, 0, string(n.id)}, args...)
	v, err := on.Do(ctx, call...).Slice()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		call[0], call[1] = "eval", s.text
		v, err = on.Do(ctx, call...).Slice()
	}
	if err != nil {
		return "", nil, n.failed("call", err)
	}
	if len(v) > 0 {
		word, _ = v[0].(string)
	}
	if word == "" {
		return "", nil, fmt.Errorf("node %s answered %v", n.id, v)
	}
	if refused := refusal(word); refused != nil {
		return word, v[1:], refused
	}
	return word, v[1:], nil
}
