package resharding

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// errRetried: an instance retries letters of a member that has left.
var errRetried = errors.New("callbacks that it has on record are being retried")

// moveLetters moves the dead letters of dropped members to the new homes of their windows.
// It claims them before, so that no instance retries one meanwhile, and both copies stay
// claimed until one is deleted. It may be repeated, concurrently too. The error is
// counting.ErrUnavailable: the members must not be dropped.
func (s *Service) moveLetters(ctx context.Context, v *cluster.View, next *sharding.Ring, dropped []*cluster.Member) error {
	owner := "mover-" + crand.Text()
	for _, from := range dropped {
		for more := true; more; {
			var err error
			if more, err = moveSome(ctx, v, next, from, owner); err != nil {
				return counting.Mark(fmt.Errorf("%w: %w", errKept, cluster.Named(from.ID(), err)), counting.ErrUnavailable)
			}
		}
	}
	return nil
}

// moveSome moves the first letters of a member. more is false if it has none.
func moveSome(ctx context.Context, v *cluster.View, next *sharding.Ring, from *cluster.Member, owner string) (more bool, err error) {
	letters, err := cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) ([]counting.DeadLetter, error) {
		return from.ListDeadLetters(ctx, "", counting.MaxDeadLettersAtOnce)
	})
	if err != nil || len(letters) == 0 {
		return false, err
	}
	var keys []counting.DeadLetterKey
	to := make(map[*cluster.Member][]counting.DeadLetter)
	for _, l := range letters {
		keys = append(keys, l.Key)
		home := homeBy(next, v, l.Key.Window())
		to[home] = append(to[home], l)
	}
	claims, err := cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) ([]counting.DeadLetterClaim, error) {
		return from.ClaimDeadLetters(ctx, owner, counting.MaxLease, keys)
	})
	if err != nil {
		return false, err
	}
	for _, claim := range claims {
		if claim != counting.DeadLetterClaimed { // the lease of others ends in a minute
			_, err := cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) (any, error) {
				return nil, from.ReleaseDeadLetters(ctx, owner, letters)
			})
			return false, errors.Join(errRetried, err)
		}
	}
	for home, some := range to {
		_, err := cluster.Call(ctx, cluster.SyncTime, func(ctx context.Context) (any, error) {
			return nil, home.AddDeadLetters(ctx, owner, counting.MaxLease, some)
		})
		if err != nil {
			return false, err
		}
	}
	_, err = cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) (any, error) {
		return nil, from.ForgetDeadLetters(ctx, keys)
	})
	if err == nil { // the leases end by themselves
		for home, some := range to {
			_, _ = cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) (any, error) {
				return nil, home.ReleaseDeadLetters(ctx, owner, some)
			})
		}
	}
	return true, err
}
