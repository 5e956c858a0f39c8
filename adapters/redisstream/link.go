package redisstream

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
)

const (
	// checkEvery is the time between two checks of a server that works.
	checkEvery = 5 * time.Second
	// callTime bounds a check, and each call of a Publish.
	callTime = brokerlink.SetupTime
	// connections bounds the calls at a time.
	connections = 4
)

//go:embed add.lua
var add string

// link has the connections to a server that takes reports. One that is lost while it is idle is
// replaced, and costs no report.
type link struct {
	options Options
	client  *redis.Client
	script  *redis.Script
	keys    []string // the stream, and the ids that were added to it
	cancel  func()   // ends connecting

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// open returns a link to a server that would take a report now. It takes at most
// brokerlink.SetupTime, and ends when ctx does. warn is called about a server that forgets in a
// crash.
func open(ctx context.Context, o Options, warn func()) (*link, error) {
	connecting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &link{
		options: o, client: newClient(connecting, o, warn), cancel: cancel,
		script: redis.NewScript(add), keys: []string{o.Key, idsOf(o.Key)},
	}
	if err := l.check(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// check is an error if the server would not take a report.
func (l *link) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := l.call(ctx)
	return err
}

// Wait implements brokerlink.Link. It checks the server now and then.
func (l *link) Wait(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(checkEvery):
			if err := l.check(ctx); err != nil {
				return err
			}
		}
	}
}

// Close implements brokerlink.Link.
func (l *link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	_ = l.client.Close() // ends the calls that wait for answers
	l.calls.Wait()
}

// Publish implements brokerlink.Link. A server that did not take a report is checked before the
// next one.
func (l *link) Publish(ctx context.Context, r publishing.Report) brokerlink.Outcome {
	doubt, err := l.call(ctx, r.ID, l.options.MaxLen, "id", r.ID, "type", publishing.ReportType, "app_id", r.Deployment(), "body", r.Body())
	return brokerlink.Outcome{Err: err, InDoubt: doubt, Over: err != nil && !errors.Is(err, context.Canceled)}
}

// run runs f in a goroutine that Close waits for; false after Close.
func (l *link) run(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.calls.Go(f)
	}
	return !l.closed
}

// call runs the script with arguments after it ran without, as a check. It returns when ctx ends
// at the latest. doubt means that the arguments were sent, and that no answer came.
func (l *link) call(ctx context.Context, args ...any) (doubt bool, err error) {
	type outcome struct {
		doubt bool
		err   error
	}
	var decided atomic.Bool // the arguments are sent, or they never will be
	ended := make(chan outcome, 1)
	runs := l.run(func() {
		conn, err := l.connect(ctx)
		if err != nil {
			ended <- outcome{false, l.options.plain(err)}
			return
		}
		defer func() { _ = conn.Close() }()
		if len(args) > 0 && decided.CompareAndSwap(false, true) {
			if err = l.script.Run(ctx, conn, l.keys, args...).Err(); err != nil {
				ended <- outcome{!isRefusal(err), l.options.plain(err)}
				return
			}
		}
		ended <- outcome{}
	})
	if !runs {
		return false, errors.New("the connection was closed")
	}
	select {
	case o := <-ended:
		return o.doubt, o.err
	case <-ctx.Done():
		return !decided.CompareAndSwap(false, true), l.options.plain(ctx.Err())
	}
}

// connect returns a connection to a server that takes reports. One that was idle may be lost,
// so another one is tried.
func (l *link) connect(ctx context.Context) (conn *redis.Conn, err error) {
	for range 2 {
		conn = l.client.Conn()
		if err = l.script.Run(ctx, conn, l.keys).Err(); err == nil {
			return conn, nil
		}
		_ = conn.Close()
		if isRefusal(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}
