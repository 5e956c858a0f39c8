package redisnode_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// X10: dead letters that a failover left behind are neither listed, claimed nor made again until
// they are back. Then they are what they were. Windows go on meanwhile, and what they could
// not store is counted.
func TestX10DeadLettersThatAFailoverLeftBehindAreNotMadeAgain(t *testing.T) {
	t.Parallel()
	c := servers.StartClusterWithClock(t, 1, 0)
	c.Servers[0].Clock.Stop(t, 0)
	p := join(t, openPartition(t, c, 0, 1))
	const a, b, d = "http://a.example/", "http://b.example/", "http://d.example/"
	w := check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current - 2
	token, _, err := p.Claim(t.Context(), w, "owner", counting.MaxLease)
	check.Must(t, err)
	fails := func(endpoint string) {
		t.Helper()
		failed := counting.SaveDelivery(endpoint, counting.Delivery{Attempts: 3, Status: 503, Final: true})
		check.Value(p.Advance(t.Context(), w, token, failed))(t)
	}
	check.Value(p.Advance(t.Context(), w, token, counting.Record(7)))(t)
	fails(a)
	letters := check.Value(p.ListDeadLetters(t.Context(), "", 10))(t)
	check.Equal(t, len(letters), 1, "letters")
	keys := []counting.DeadLetterKey{letters[0].Key}

	client, key := c.Client(), p.key("dl")
	dump := check.Value(client.Dump(t.Context(), key).Result())(t)
	check.Must(t, client.Del(t.Context(), key).Err())
	for name, call := range map[string]func() error{
		"list":   func() error { return check.Err(p.ListDeadLetters(t.Context(), "", 10)) },
		"claim":  func() error { return check.Err(p.ClaimDeadLetters(t.Context(), "me", counting.MaxLease, keys)) },
		"forget": func() error { return p.ForgetDeadLetters(t.Context(), keys) },
		"add":    func() error { return p.AddDeadLetters(t.Context(), "me", counting.MaxLease, letters) },
	} {
		check.Is(t, call(), counting.Missing, "%s", name)
	}
	check.Must(t, p.ReleaseDeadLetters(t.Context(), "me", letters))
	fails(b)
	check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	check.Equal(t, check.Value(client.Exists(t.Context(), key).Result())(t), 0, "number of keys that were made again")
	check.Equal(t, check.Value(p.RingSummary(t.Context()))(t).DroppedDeadLetters, 1, "letters that could not be stored")

	check.Must(t, client.Restore(t.Context(), key, 0, dump).Err())
	fails(d)
	again := check.Value(p.ListDeadLetters(t.Context(), "", 10))(t)
	check.Equal(t, len(again), 2, "letters when they are back")
	for i, l := range again { // at one time, so in any order
		switch l.Endpoint {
		case a:
			check.Equal(t, l, letters[0], "the letter that was left behind")
		case d:
		default:
			t.Errorf("letter %d is %+v", i, l)
		}
	}
	claims := check.Value(p.ClaimDeadLetters(t.Context(), "me", counting.MaxLease, keys))(t)
	check.Equal(t, claims[0], counting.DeadLetterClaimed, "a claim of the letter that was left behind")
}

// Readers take a list that is shorter than its limit for the end.
func TestABrokenDeadLetterHidesNoOthers(t *testing.T) {
	t.Parallel()
	c := servers.StartClusterWithClock(t, 1, 0)
	p := join(t, openPartition(t, c, 0, 1))
	w := check.Value(p.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
	var letters []counting.DeadLetter
	for i := range 6 {
		at := time.Now().Add(time.Duration(i) * time.Second)
		const endpoint = "http://a.example/"
		letters = append(letters, counting.DeadLetter{Key: counting.NewDeadLetterKey(at, w, endpoint), Endpoint: endpoint, Count: int64(i), Delivery: counting.Delivery{Final: true}})
	}
	check.Must(t, p.AddDeadLetters(t.Context(), "me", counting.MaxLease, letters))
	client, key := c.Client(), p.key("dl")
	for _, broken := range letters[:3] {
		found := check.Value(client.ZRangeArgs(t.Context(), redis.ZRangeArgs{Key: key, ByLex: true, Start: "[" + string(broken.Key), Stop: "[" + string(broken.Key) + "~"}).Result())(t)
		check.Equal(t, len(found), 1, "letters of one key")
		check.Must(t, client.ZRem(t.Context(), key, found[0]).Err())
		check.Must(t, client.ZAdd(t.Context(), key, redis.Z{Member: string(broken.Key) + " broken"}).Err())
	}
	for limit, want := range []int{0, 1, 2, 3, 3} {
		got := check.Value(p.ListDeadLetters(t.Context(), "", limit))(t)
		check.Equal(t, len(got), want, "letters of at most %d", limit)
		for i, l := range got {
			check.Equal(t, l.Key, letters[3+i].Key, "letter %d of at most %d", i, limit)
		}
	}
}
