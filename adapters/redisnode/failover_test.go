package redisnode_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// F31: what a step of a window, of a change or of a move has answered outlives the
// server on which it was taken. That also holds when the step is repeated.
func TestF31AStepOutlivesAFailOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		at     func(*testing.T, *servers.Redis) moving
		before []step
		step   step
		took   func(*testing.T, moving) bool
	}{
		{"fence", atSource, nil, moving.fence, func(t *testing.T, m moving) bool { return m.summary(t).Fence == 2 }},
		{"open", atSource, []step{moving.fence}, moving.open, func(t *testing.T, m moving) bool {
			return m.summary(t).Opened == 2
		}},
		{"claim", atSource, []step{moving.fence, moving.open}, moving.claim, func(t *testing.T, m moving) bool {
			return m.part(t) == counting.Part{Stage: counting.Frozen, Frozen: 2, Closed: true}
		}},
		{"retire", atSource, []step{moving.fence, moving.open, moving.claim}, moving.retire, func(t *testing.T, m moving) bool {
			return m.part(t).Stage == counting.Released
		}},
		{"take in", atDestination, []step{moving.fence, moving.open}, moving.takeInPermanently, func(t *testing.T, m moving) bool {
			return m.part(t) == counting.Part{Visits: 2, Marked: true}
		}},
		{"close", atDestination, []step{moving.fence, moving.open, moving.takeIn}, moving.close, func(t *testing.T, m moving) bool {
			return m.part(t) == counting.Part{Visits: 2, Closed: true}
		}},
		{"seal", atSource, nil, moving.seal, func(t *testing.T, m moving) bool {
			_, err := m.Seal(t.Context(), m.window, 1000*time.Hour, conformance.AnyTime())
			return err == nil
		}},
		{"record", atSource, []step{moving.claimWindow}, moving.record, func(t *testing.T, m moving) bool {
			return m.is(t, counting.Sealed)
		}},
		{"publish", atSource, []step{moving.claimWindow, moving.record}, moving.publish, func(t *testing.T, m moving) bool {
			return m.is(t, counting.Published)
		}},
		{"take entries", atDestination, []step{moving.fence, moving.open}, moving.takeEntries, func(t *testing.T, m moving) bool {
			return m.tookEntries(t)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			primary, replica := replicated(t)
			m := c.at(t, primary)
			m.do(t, c.before...)
			if c.took(t, m) {
				t.Fatal("the step was taken before it began")
			}
			replica.Freeze()
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				err := c.step(m, ctx)
				cancel()
				if err == nil || errors.Is(err, counting.ErrNotApplied) {
					t.Errorf("%v while the replica hangs, want that the outcome is unknown", err)
				}
			}
			replica.Thaw()
			check.Must(t, c.step(m, t.Context()))
			primary.Kill()
			m.node = open(t, m.ID(), replica)
			m.node.do(t, "replicaof", "no", "one")
			if !c.took(t, m) {
				t.Error("the new primary doesn't know of the step")
			}
		})
	}
}

// replicated is a server with a replica that is up to date.
func replicated(t *testing.T) (primary, replica *servers.Redis) {
	t.Helper()
	primary = servers.StartRedis(t, "--repl-diskless-sync-delay", "0")
	replica = servers.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(primary.Port()))
	c := primary.Client()
	defer func() { _ = c.Close() }()
	eventually(t, func() bool {
		info, err := c.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "state=online")
	})
	return primary, replica
}

// A replica that is gone holds up nothing.
func TestAStepDoesNotWaitForAReplicaThatIsReleased(t *testing.T) {
	t.Parallel()
	primary, replica := replicated(t)
	m := atSource(t, primary)
	replica.Kill()
	eventually(t, func() bool { return m.fence(t.Context()) == nil })
	if p := m.summary(t); p.Fence != 2 {
		t.Errorf("the node is at %+v", p)
	}
}

// F4: a server that was demoted answers no read, on no connection that leads to it. When
// it is a primary again, or the address leads to another one, everything goes on at once.
func TestF4ADemotedServerAnswersNothing(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	read := func() error {
		_, err := n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}})
		return err
	}
	readers := func(want error) {
		t.Helper()
		var all sync.WaitGroup
		for range 12 { // on as many connections
			all.Go(func() {
				if err := read(); !errors.Is(err, want) {
					t.Errorf("a read returned %v, want %v", err, want)
				}
			})
		}
		all.Wait()
	}
	readers(nil)
	n.do(t, "replicaof", "127.0.0.1", "1")
	check.Fails(t, read(), "the first read after the demotion")
	for range 3 {
		readers(counting.ErrUnusable)
	}
	n.do(t, "replicaof", "no", "one")
	readers(nil)
	check.OK(t, check.Err(n.Apply(t.Context(), visits(2))))
	n.wantVisits(t, 2)
}
