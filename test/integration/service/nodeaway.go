package service

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"footfall/test/check"
)

// Stuck are the ways in which a node doesn't answer until end is called. Two of them
// may end before that: after asleep.
func Stuck(asleep time.Duration) map[string]func(r *Ring, node int) (end func()) {
	ignore := func(r *Ring, node int, args ...any) {
		c := r.Servers[node].Client()
		defer func() { _ = c.Close() }()
		_ = c.Do(context.Background(), args...).Err() // DEBUG SLEEP answers when it is over
	}
	return map[string]func(r *Ring, node int) func(){
		"killed": func(r *Ring, node int) func() {
			r.Servers[node].Kill()
			return func() { check.OK(r.T, r.Servers[node].Start()) }
		},
		"frozen": func(r *Ring, node int) func() {
			r.Servers[node].Freeze()
			return r.Servers[node].Thaw
		},
		"paused": func(r *Ring, node int) func() {
			ignore(r, node, "client", "pause", asleep.Milliseconds(), "all")
			return func() {}
		},
		"asleep": func(r *Ring, node int) func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				ignore(r, node, "debug", "sleep", asleep.Seconds())
			}()
			return func() { <-done }
		},
	}
}

// Answers reports whether a server answers immediately.
func (r *Ring) Answers(node int) bool {
	c, err := new(net.Dialer).DialContext(r.T.Context(), "tcp", r.Servers[node].Addr)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(400 * time.Millisecond))
	_, _ = io.WriteString(c, "PING\r\n")
	answer, _ := bufio.NewReader(c).ReadString('\n')
	return answer == "+PONG\r\n"
}

// ping sends a PING. answered is closed when the server has answered, which it does before
// it answers what it is sent later.
func (r *Ring) ping(node int) (answered <-chan struct{}, end func()) {
	c := r.Servers[node].Client()
	done := make(chan struct{})
	go func() {
		if c.Ping(context.Background()).Err() == nil {
			close(done)
		}
	}()
	return done, func() { _ = c.Close() }
}

// CheckReads reads while the first node is away: no number for its pages,
// and those of the others as ever; the service is ready.
func (r *Ring) CheckReads(in *Instance, by [][]string) {
	r.T.Helper()
	answered, end := r.ping(0)
	defer end()
	var away, there, many, ready Reply
	var wg sync.WaitGroup
	wg.Go(func() { away = r.Read(in, by[0][0]) })
	wg.Go(func() { there = r.Read(in, by[1][0]) })
	wg.Go(func() { many = r.ReadAll(in, []string{by[0][1], by[1][1], by[2][1]}) })
	wg.Go(func() { ready = r.Ask(in, "GET", "/readyz", "") })
	wg.Wait()
	select {
	case <-answered: // not away yet, or back too soon: the caller tries again
		return
	case <-time.After(300 * time.Millisecond):
	}
	if away.Status != 503 || away.Header.Get("Retry-After") == "" {
		r.T.Errorf("read of a page that is away: %d %s, Retry-After %q", away.Status, away.Body, away.Header.Get("Retry-After"))
	}
	there.Want(r.T, 200)
	all := r.Results(many)
	if all[0].Visits != nil || all[0].Error != "unavailable" || all[1].Visits == nil || all[2].Visits == nil {
		r.T.Errorf("read of pages of all nodes: %s", many.Body)
	}
	ready.Want(r.T, 200)
	if slowest := max(away.Took, there.Took, many.Took, ready.Took); r.Late(in, slowest) {
		r.T.Errorf("an answer took %v", slowest)
	}
}

// Fill lets a server write n commands to its append-only file.
func (r *Ring) Fill(server, n int) {
	r.T.Helper()
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	for n > 0 { // in parts that a busy machine writes within the client's timeout
		p := c.Pipeline()
		for range min(n, 5_000) {
			p.Incr(r.T.Context(), "filler")
		}
		n -= p.Len()
		if _, err := p.Exec(r.T.Context()); err != nil {
			r.T.Fatal(err)
		}
	}
}

// Refuses reports whether a server answers a write with an error of that word.
func (r *Ring) Refuses(server int, word string) bool {
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	err := c.Incr(r.T.Context(), "filler").Err()
	return err != nil && strings.HasPrefix(err.Error(), word)
}
