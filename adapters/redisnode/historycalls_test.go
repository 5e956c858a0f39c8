package redisnode_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// longHistories stores pages of an arc with long histories of old hours, which become two days, and with four
// open buckets of a day ago.
func longHistories(t *testing.T, client *redis.Client, arc, pages int) {
	t.Helper()
	hour := func(ago int) counting.Unit {
		return keepsHours().UnitAt(time.Now().Add(-time.Duration(ago) * time.Hour))
	}
	var long counting.Packed
	for i := range 800 {
		long = long.Append(counting.Bucket{Unit: hour(100 + i%24), Visits: 1})
	}
	list, buckets, histories := "0,", []any{}, []any{}
	for i := range pages {
		buckets, histories = append(buckets, string(page(i)), 1), append(histories, string(page(i)), string(long))
	}
	for ago := 26; ago < 30; ago++ {
		list += fmt.Sprint(int(hour(ago)), ",")
		check.Must(t, client.HSet(t.Context(), fmt.Sprintf("ff:h:%d:%d", hour(ago), arc), buckets...).Err())
	}
	check.Must(t, client.HSet(t.Context(), fmt.Sprintf("ff:hp:%d", arc), append(histories, "", list)...).Err())
}

// changed is the number of fields that differ from those before, but for the list.
func changed(before, after map[string]string) (n int) {
	for page, packed := range after {
		if page != "" && packed != before[page] {
			n++
		}
	}
	return n
}

// A call of Compact writes few pages whose histories are long. Each page is written twice, however many calls
// it takes: once for all of its closed buckets, and once for what is old.
func TestLongHistoriesAreCompactedAFewAtATime(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{100, 300} { // the open buckets are compact, and hash tables
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			t.Parallel()
			n := joined(t, servers.StartRedis(t))
			keeping(t, n, 6)
			client := n.server.Client()
			defer func() { _ = client.Close() }()
			longHistories(t, client, 5, pages)
			histories := func() map[string]string { return check.Value(client.HGetAll(t.Context(), "ff:hp:5").Result())(t) }
			before, writes := histories(), 0
			for cursor, more := "", true; more; more = cursor != "" {
				cursor = check.Value(n.Compact(t.Context(), conformance.AnyTime(), cursor))(t)
				after := histories()
				written := changed(before, after)
				if writes += written; written > 30 {
					t.Errorf("%d pages were written by a call, want at most 30", written)
				}
				before = after
			}
			check.Equal(t, writes <= 2*pages, true, "%d writes, want at most two a page", writes)
			check.Equal(t, len(n.keys(t, "ff:h:*")), 0, "buckets that are left")
			delete(before, "")
			check.Equal(t, len(before), pages, "packed histories")
			for page, packed := range before {
				buckets, sum := check.Value(counting.Packed(packed).Buckets())(t), int64(0)
				for _, b := range buckets {
					sum += b.Visits
				}
				check.Equal(t, sum, 804, "visits of %s", page)
				check.Equal(t, len(buckets) <= 6, true, "%d buckets of %s, want two days and four hours", len(buckets), page)
			}
		})
	}
}

// A bucket that can't be read does not make the list read the other pages again.
func TestACorruptBucketMakesNoListLonger(t *testing.T) {
	t.Parallel()
	const pages, hours = 60, 20
	n := joined(t, servers.StartRedis(t))
	keeping(t, n, 2)
	n.fill(t, "many", 5, pages, hours)
	client := n.server.Client()
	defer func() { _ = client.Close() }()
	list := func() (corrupt, read int) {
		t.Helper()
		check.Must(t, client.ConfigResetStat(t.Context()).Err())
		for cursor, more := "", true; more; more = cursor != "" {
			l, next, err := n.ListHistories(t.Context(), counting.Expected{Epoch: 1}, cursor)
			check.Must(t, err)
			for _, p := range l.Histories {
				if _, err := p.Buckets(); err != nil {
					corrupt++
				}
			}
			cursor = next
		}
		stats := check.Value(client.Info(t.Context(), "commandstats").Result())(t)
		_, calls, _ := strings.Cut(stats, "cmdstat_hlen:calls=")
		check.Value(fmt.Sscan(calls, &read))(t)
		return corrupt, read
	}
	_, before := list()
	check.Equal(t, before > hours, true, "%d reads of hashes, are all buckets read", before)
	keys := n.keys(t, "ff:h:*:5")
	check.Must(t, client.HSet(t.Context(), keys[0], string(page(3)), "x").Err())
	corrupt, after := list()
	check.Equal(t, corrupt, 1, "corrupt histories")
	check.Equal(t, after, before, "reads of hashes")
	check.Must(t, client.Set(t.Context(), keys[1], "x", 0).Err())
	corrupt, after = list()
	check.Equal(t, corrupt, pages, "corrupt histories where a bucket is no hash")
	check.Equal(t, after, before, "reads of hashes")
}
