package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

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
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			value, err := ask(ctx, n)
			answers[i] = Answer[N, T]{n, value, err}
		})
	}
	asking.Wait()
	return answers
}

// Each calls do for every member but the lost ones, concurrently, with CallTimeout
// each. It returns the first error, with the node's id, when all calls have ended.
func (v *View) Each(ctx context.Context, do func(ctx context.Context, i int, m *Member) error) error {
	return v.EachBut(ctx, nil, do)
}

// EachBut is Each without some more members, by their indexes.
func (v *View) EachBut(ctx context.Context, without []int, do func(ctx context.Context, i int, m *Member) error) error {
	var members []int
	for i := range v.Nodes {
		if !v.Away(i) && !slices.Contains(without, i) {
			members = append(members, i)
		}
	}
	answers := Ask(ctx, CallTimeout, members, func(ctx context.Context, i int) (any, error) { return nil, do(ctx, i, v.Nodes[i]) })
	for _, a := range answers {
		if a.Err != nil {
			return fmt.Errorf("node %s: %w", v.Nodes[a.From].ID(), a.Err)
		}
	}
	return nil
}

// Gather is Each with the answers of the members, by their indexes. Those that did not
// answer, and the lost ones, have a zero answer.
func Gather[T any](ctx context.Context, v *View, ask func(ctx context.Context, m *Member) (T, error)) ([]T, error) {
	answers := make([]T, len(v.Nodes))
	err := v.Each(ctx, func(ctx context.Context, i int, m *Member) error {
		answer, err := ask(ctx, m)
		if err == nil {
			answers[i] = answer
		}
		return err
	})
	return answers, err
}
