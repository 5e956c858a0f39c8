package limits_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
	"footfall/test/check"
)

// quotaRig takes keys of a quota, each with another id.
type quotaRig struct {
	*limits.KeyQuota
	t       *testing.T
	next    byte
	refused int
}

func newQuotaRig(t *testing.T, share limits.Costs) *quotaRig {
	r := &quotaRig{t: t}
	r.KeyQuota = &limits.KeyQuota{Share: func() limits.Costs { return share }, Refused: limits.NewRefusals(func(resource, bound string) {
		check.Equal(t, resource+" "+bound, "keys client", "the refusal")
		r.refused++
	}, slog.New(slog.DiscardHandler))}
	return r
}

// take takes a key for a request with some items. It returns the seconds to wait, 0 if it
// was taken.
func (r *quotaRig) take(client netip.Prefix, items int64) int {
	r.next++
	_, err := r.Take(client, [16]byte{r.next}, limits.Costs{Requests: 1, Records: 1 + items})
	if err == nil {
		return 0
	}
	f := problem.Of(err, true)
	check.Equal(r.t, f.Status, 429, "the status")
	return f.RetryAfter
}

// S4: a client has its share of requests and of records, over the days for which keys are
// kept. What it waits for is the end of the oldest day.
func TestS4AShareOfKeysIsFreeWhenTheirDayIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight
		const hour, day = 3600, 24 * 3600
		a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
		r := newQuotaRig(t, limits.Costs{Requests: 3, Records: 100})
		time.Sleep(hour * time.Second)
		check.Equal(t, r.take(a, 1), 0, "the first request")
		check.Equal(t, r.take(a, 1), 0, "the second request")
		check.Equal(t, r.take(a, 96), 2*day-hour, "records beyond the share")
		check.Equal(t, r.take(b, 2000), 0, "more records than the share, of a client that has none")
		check.Equal(t, r.take(b, 1), 2*day-hour, "one more record")
		time.Sleep(day * time.Second)
		check.Equal(t, r.take(a, 1), 0, "the third request, a day later")
		check.Equal(t, r.take(a, 1), day-hour, "a request beyond the share")
		time.Sleep((day - hour) * time.Second)
		check.Equal(t, r.take(b, 1), 0, "a request when the first day is over")
		check.Equal(t, r.take(a, 1), 0, "a request when the first day is over")
		check.Equal(t, r.take(a, 1), 0, "another one")
		check.Equal(t, r.take(a, 1), day, "a request beyond the share")
		check.Equal(t, r.refused, 4, "refusals")
	})
}

// S4: a request that is repeated costs nothing, and one that the store does not keep neither.
func TestS4ARepeatedRequestTakesNoShare(t *testing.T) {
	r := newQuotaRig(t, limits.Costs{Requests: 2})
	client, costs := netip.MustParsePrefix("192.0.2.1/32"), limits.Costs{Requests: 1, Records: 2}
	day := int64(0)
	take := func(id byte) (isNew, taken bool) {
		on, err := r.Take(client, [16]byte{id}, costs)
		day = max(day, on)
		return on > 0, err == nil
	}
	for i, step := range []struct {
		id           byte
		isNew, taken bool
	}{{1, true, true}, {1, false, true}, {2, true, true}, {3, false, false}, {2, false, true}, {1, false, true}} {
		if isNew, taken := take(step.id); isNew != step.isNew || taken != step.taken {
			t.Errorf("step %d: new %t, taken %t", i, isNew, taken)
		}
	}
	r.Back(day, client, [16]byte{2}, costs)
	if isNew, taken := take(3); !isNew || !taken {
		t.Error("what was given back is not free")
	}
	if _, taken := take(2); taken {
		t.Error("a request that was given back is still known")
	}
	day, err := (*limits.KeyQuota)(nil).Take(client, [16]byte{9}, costs)
	check.OK(t, err)
	check.Equal(t, day, 0, "the day on which no quota counts")
}

// S4: what is given back belongs to the day on which it was taken, also after midnight.
func TestS4WhatIsGivenBackIsOfItsDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight
		const day = 24 * time.Hour
		client, id, costs := netip.MustParsePrefix("192.0.2.1/32"), [16]byte{200}, limits.Costs{Requests: 1, Records: 2}
		r := newQuotaRig(t, limits.Costs{Requests: 2})
		time.Sleep(day - time.Second)
		on := check.Value(r.Take(client, id, costs))(t)
		time.Sleep(2 * time.Second)
		check.Equal(t, r.take(client, 1), 0, "a request of the next day")
		r.Back(on, client, id, costs)
		check.Equal(t, r.take(client, 1), 0, "a request in place of the one that was given back")
		check.Equal(t, r.take(client, 1) > 0, true, "whether a third one is refused")
		time.Sleep(day)
		check.Equal(t, r.take(client, 1) > 0, true, "whether one is refused when only the first day is over")
		time.Sleep(day)
		check.Equal(t, r.take(client, 1), 0, "a request when both days are over")
		r.Back(on, client, id, costs) // its day is over
		check.Equal(t, r.take(client, 1), 0, "the second request")
		check.Equal(t, r.take(client, 1) > 0, true, "whether a third one is refused then")
	})
}

// S4: clients that are remembered are bounded. Beyond it, all others are one client.
func TestS4ManyClientsHaveOneShareTogether(t *testing.T) {
	r := newQuotaRig(t, limits.Costs{Requests: 1})
	var id [16]byte
	refused := 0
	for n := range 70_000 {
		id[0], id[1], id[2] = byte(n), byte(n>>8), byte(n>>16)
		client := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		if _, err := r.Take(client, id, limits.Costs{Requests: 1}); err != nil {
			refused++
		}
	}
	check.Equal(t, refused, 70_000-65536-1, "clients beyond the bound that were refused")
}
