package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
	"footfall/test/check"
)

// addLetters stores dead letters at a member, claimed by an owner for a lease.
func addLetters(t *testing.T, m *cluster.Member, owner string, lease time.Duration, n int) (keys []counting.DeadLetterKey) {
	t.Helper()
	var letters []counting.DeadLetter
	w := counting.WindowLength(time.Minute).At(time.Now()) - 1
	for i := range n {
		e := fmt.Sprintf("http://%s.example/%d", owner, i)
		l := counting.DeadLetter{Key: counting.NewDeadLetterKey(time.Now(), w-counting.Window(i%7), e), Endpoint: e, Count: 7}
		l.Delivery = counting.Delivery{Attempts: 3, Status: 503, Final: true}
		keys, letters = append(keys, l.Key), append(letters, l)
	}
	check.Must(t, m.AddDeadLetters(t.Context(), owner, lease, letters))
	return keys
}

// wantLetters wants n failed callbacks, each at one of the nodes of the ring.
func (c *counter) wantLetters(t *testing.T, n int) {
	t.Helper()
	stored := 0
	for _, m := range c.cluster.View().Nodes {
		stored += check.Value(m.RingSummary(t.Context()))(t).DeadLetters
	}
	check.Equal(t, stored, n, "letters at all nodes")
	var listed []publishing.FailedCallback
	for f := (publishing.FailedSelection{Limit: publishing.MaxFailed}); ; {
		some, next, err := c.FailedCallbacks(t.Context(), f)
		check.Must(t, err)
		listed = append(listed, some...)
		if f.Cursor = next; next == "" {
			break
		}
	}
	check.Equal(t, len(listed), n, "failed callbacks")
}

// Dead letters outlive the node that had them, each at one node, whatever calls fail.
func TestDeadLettersAreMovedFromANodeThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var faults atomic.Int64
		// Each call about letters fails once, before or after its effect.
		reluctant := func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
			switch c.Method {
			case "add dead letters", "forget dead letters", "release dead letters":
			default:
				return do(ctx)
			}
			n := faults.Add(1)
			if n < 0 || n > 12 || n%2 == 0 {
				return do(ctx)
			}
			if n%4 == 1 {
				_, _ = do(ctx)
			}
			return nil, errors.New("no answer")
		}
		faults.Store(-1 << 40)
		c := newCounter(t, newDeploymentOf(t, 3, func(n *localnode.Node) cluster.Node { return &chaos.Link{Far: n, Around: reluctant} }))
		const n = counting.MaxDeadLettersAtOnce + 100
		for at := range 3 { // all nodes have some
			addLetters(t, c.cluster.View().Nodes[at], fmt.Sprint("e", at), 0, 20)
		}
		addLetters(t, c.cluster.View().Nodes[0], "more", 0, counting.MaxDeadLettersAtOnce)
		addLetters(t, c.cluster.View().Nodes[0], "evenmore", 0, 100)
		faults.Store(0)
		c.changed(t)(c.ring.Remove(t.Context(), "n1", false))
		c.forgotten(t, 2)
		if faults.Load() < 12 {
			t.Errorf("%d calls about letters", faults.Load())
		}
		time.Sleep(2 * counting.MaxLease)
		c.wantLetters(t, n+60)
	})
}

// A letter that is being retried stays where it is until that is over.
func TestANodeIsNotLetGoWhileItsCallbacksAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, newDeployment(t, 3))
		first := c.cluster.View().Nodes[0]
		keys := addLetters(t, first, "retrier", counting.MaxLease, 10)
		ctx, cancel := context.WithCancel(t.Context())
		var retrying sync.WaitGroup
		retrying.Go(func() {
			for ; ctx.Err() == nil; cluster.Pause(ctx, 10*time.Second) {
				_, _ = first.ClaimDeadLetters(ctx, "retrier", counting.MaxLease, keys[:1])
			}
		})
		c.changed(t)(c.ring.Remove(t.Context(), "n1", false))
		c.pass(t, 10)
		if c.cluster.View().Index("n1") < 0 {
			t.Error("a node was let go whose callbacks are retried")
		}
		c.wantLetters(t, 10)
		cancel()
		retrying.Wait()
		c.forgotten(t, 2)
		c.wantLetters(t, 10)
	})
}
