package limits_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/test/check"
)

// One client has its share of a pool. The others have the rest, and all together no more
// than the total.
func TestAClientHasItsShareOfAPool(t *testing.T) {
	var refused []string
	p := &limits.Pool{Resource: "watched_pages", Total: 10, Share: 4, Refused: limits.NewRefusals(func(resource, bound string) {
		refused = append(refused, resource+" "+bound)
	}, slog.New(slog.DiscardHandler))}
	a, b, c := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32"), netip.MustParsePrefix("2001:db8::/64")
	for i, step := range []struct {
		client netip.Prefix
		n      int64
		status int
	}{
		{a, 3, 0},
		{a, 2, 429},
		{a, 1, 0},
		{a, 1, 429},
		{b, 4, 0},
		{c, 3, 503},
		{c, 2, 0},
		{c, 1, 503},
		{netip.Prefix{}, 1, 503},
		{a, -2, 0},
		{netip.Prefix{}, 2, 0},
		{a, 1, 503},
		{b, -4, 0},
		{a, 2, 0},
		{a, 1, 429},
		{b, 1, 0},
	} {
		if step.n < 0 {
			p.Release(step.client, -step.n)
			continue
		}
		err := p.Acquire(step.client, step.n)
		if f := problem.Of(err, false); (err != nil) != (step.status > 0) || err != nil && (f.Status != step.status || f.RetryAfter == 0) {
			t.Errorf("step %d: %v, want %d", i, err, step.status)
		}
	}
	check.Equal(t, strings.Join(refused, ", "), "watched_pages client, watched_pages client, watched_pages total, watched_pages total, "+
		"watched_pages total, watched_pages total, watched_pages client", "what was refused")
}

func TestAPoolWithoutBoundsRefusesNothing(t *testing.T) {
	for _, p := range []*limits.Pool{nil, {}} {
		client := netip.MustParsePrefix("192.0.2.1/32")
		check.OK(t, p.Acquire(client, 1<<40))
		p.Release(client, 1<<40)
	}
}

func TestAPoolIsSharedByManyCallers(t *testing.T) {
	p, client := &limits.Pool{Total: 4, Share: 3}, netip.MustParsePrefix("192.0.2.1/32")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if p.Acquire(client, 1) == nil {
					p.Release(client, 1)
				}
			}
		})
	}
	wg.Wait()
	check.OK(t, p.Acquire(client, 3), "all is there again")
	check.Fails(t, p.Acquire(client, 1), "beyond the share")
}
