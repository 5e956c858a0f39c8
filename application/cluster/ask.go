package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"footfall/domain/counting"
)

// Call makes a call that takes at most within.
func Call[T any](ctx context.Context, within time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return call(ctx)
}

// Pause waits, but not when ctx has ended.
func Pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Answer is what one of several nodes, or groups of items, has answered.
type Answer[N, T any] struct {
	From  N
	Value T
	Err   error
}

// Ask asks nodes, or groups of items, concurrently, each for at most within. It returns
// all answers, in the order of those that were asked.
func Ask[N, T any](ctx context.Context, within time.Duration, asked []N, ask func(context.Context, N) (T, error)) []Answer[N, T] {
	answers := make([]Answer[N, T], len(asked))
	var asking sync.WaitGroup
	for i, n := range asked {
		asking.Go(func() {
			value, err := Call(ctx, within, func(ctx context.Context) (T, error) { return ask(ctx, n) })
			answers[i] = Answer[N, T]{n, value, err}
		})
	}
	asking.Wait()
	return answers
}

// values are the values of the answers that are no errors.
func values[N, T any](answers []Answer[N, T]) (all []T) {
	for _, a := range answers {
		if a.Err == nil {
			all = append(all, a.Value)
		}
	}
	return all
}

// Each calls do for every member but the lost ones and those with the indexes of
// without, concurrently, with CallTimeout each. It returns the first error, with the
// node's id, when all calls have ended.
func (v *View) Each(ctx context.Context, do func(ctx context.Context, i int, m *Member) error, without ...int) error {
	_, err := Gather(ctx, v.Present(without...), func(ctx context.Context, m *Member) (any, error) {
		return nil, do(ctx, v.Index(m.ID()), m)
	})
	return err
}

// Gather asks members concurrently, with CallTimeout each. It returns the answers that
// came, in the order of the members, and the first error, with the node's id.
func Gather[T any](ctx context.Context, members []*Member, ask func(ctx context.Context, m *Member) (T, error)) ([]T, error) {
	answers := Ask(ctx, CallTimeout, members, ask)
	return values(answers), firstError(answers)
}

// Named is an error of a call of a node, with the node's id unless its text has it.
func Named(id counting.NodeID, err error) error {
	if strings.Contains(err.Error(), string(id)) {
		return err
	}
	return fmt.Errorf("node %s: %w", id, err)
}

// firstError is the first error of some members, with the id of its member.
func firstError[T any](answers []Answer[*Member, T]) error {
	for _, a := range answers {
		if a.Err != nil {
			return Named(a.From.ID(), a.Err)
		}
	}
	return nil
}
