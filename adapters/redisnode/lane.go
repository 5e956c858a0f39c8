package redisnode

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// maxPipeline bounds the scripts that a lane sends together.
const maxPipeline = 64

// lane sends the scripts of many partitions to one master, as one pipeline: while one is
// in flight, the next one fills. So a call costs the master and this instance a part of
// a round trip. A script that the server refuses is no error of the others. The methods
// are safe for concurrent use. A lane need not be stopped: its goroutine ends with the
// last call, which has a deadline.
type lane struct {
	*redis.Client
	mu      sync.Mutex
	waiting []scriptCall
	running bool
}

// scriptCall is a script that waits. done is closed when cmd has its answer.
type scriptCall struct {
	cmd  *redis.Cmd
	done chan struct{}
}

// EvalSha implements redis.Scripter.
func (l *lane) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return l.do(ctx, "evalsha", sha, keys, args)
}

// Eval implements redis.Scripter.
func (l *lane) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	return l.do(ctx, "eval", text, keys, args)
}

// do returns when the script was answered, or when ctx has ended. A script that waits then
// is not sent any more.
func (l *lane) do(ctx context.Context, command, script string, keys []string, args []any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, command, script, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	c := scriptCall{redis.NewCmd(ctx, append(all, args...)...), make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, c)
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	}
	select {
	case <-c.done:
		return c.cmd
	case <-ctx.Done():
		late := redis.NewCmd(ctx)
		late.SetErr(ctx.Err())
		if l.withdraw(c) {
			late.SetErr(notApplied(ctx.Err()))
		}
		return late
	}
}

// withdraw takes back a call, and is false if it was sent.
func (l *lane) withdraw(c scriptCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.waiting)
	l.waiting = slices.DeleteFunc(l.waiting, func(other scriptCall) bool { return other.done == c.done })
	return len(l.waiting) < before
}

// run sends pipelines until no call waits.
func (l *lane) run() {
	for {
		runtime.Gosched() // lets partitions that have a batch by now join
		calls := l.take()
		if len(calls) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		pipe := l.Pipeline()
		for _, c := range calls {
			_ = pipe.Process(ctx, c.cmd)
		}
		_, _ = pipe.Exec(ctx) // each command has its error
		cancel()
		for _, c := range calls {
			close(c.done)
		}
	}
}

// take returns the calls of the next pipeline; none ends the goroutine.
func (l *lane) take() []scriptCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), maxPipeline)
	calls := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if n == 0 {
		l.waiting, l.running = nil, false
	}
	return calls
}
