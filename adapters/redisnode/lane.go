package redisnode

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxPipeline bounds the scripts that a lane sends together.
	maxPipeline = 64
	// longestGathering bounds the wait for more of them.
	longestGathering = 2 * time.Millisecond
)

// lane sends the scripts of many partitions to one master, as one pipeline: while one is
// in flight, the next one fills. So a call costs the master and this instance a part of
// a round trip. A script that the server refuses is no error of the others. The methods
// are safe for concurrent use. A lane need not be stopped: its goroutine ends with the
// last call, which has a deadline.
type lane struct {
	*redis.Client
	wake chan struct{} // capacity 1: enough wait

	mu      sync.Mutex
	waiting []scriptCall
	enough  int // for which the goroutine waits
	running bool
}

func newLane(master *redis.Client) *lane { return &lane{Client: master, wake: make(chan struct{}, 1)} }

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
	if len(l.waiting) == l.enough {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
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
	last, took := 0, time.Duration(0)
	for {
		l.gather(last, min(took, longestGathering))
		calls := l.take()
		if len(calls) == 0 {
			return
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		pipe := l.Pipeline()
		for _, c := range calls {
			_ = pipe.Process(ctx, c.cmd)
		}
		_, _ = pipe.Exec(ctx) // each command has its error
		cancel()
		last, took = len(calls), time.Since(begin)
		for _, c := range calls {
			close(c.done)
		}
	}
}

// gather waits until as many calls wait as the last pipeline had, but no longer than a time:
// partitions that were answered are likely to come again.
func (l *lane) gather(last int, most time.Duration) {
	waiting := l.await(last)
	for before := -1; waiting > before && waiting < maxPipeline; { // what is ready to run joins first
		before = waiting
		runtime.Gosched()
		waiting = l.await(last)
	}
	if waiting >= last {
		return
	}
	over := time.NewTimer(most)
	defer over.Stop()
	for l.await(last) < last {
		select {
		case <-l.wake:
		case <-over.C:
			return
		}
	}
}

// await has do wake the goroutine when enough calls wait. It returns how many do.
func (l *lane) await(enough int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enough = enough
	return len(l.waiting)
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
