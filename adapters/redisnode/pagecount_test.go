package redisnode_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// rounds is how many heartbeats count all arcs.
const rounds = 16

// stocked is a node with one page in every arc, of which no batch has counted any.
func stocked(t *testing.T) node {
	t.Helper()
	n := joined(t, servers.StartRedis(t))
	n.do(t, "EVAL", `for arc = 0, ARGV[1] - 1 do redis.call('HSET', 'ff:c:' .. string.format('%d', arc), 'page', 1) end return 1`, 0, sharding.Arcs)
	n.do(t, "HSET", "ff:T", "pages", 7)
	return n
}

// spread adds pages by a batch, evenly over the arcs.
func (n node) spread(t *testing.T, seq int64, pages int) {
	t.Helper()
	b := &counting.Batch{Epoch: 1, Session: "session", Seq: seq}
	for i := range pages {
		b.Visits = append(b.Visits, counting.Visit{
			Arc: counting.Arc(i * sharding.Arcs / pages), Page: counting.Page(fmt.Sprint("page/", seq, "/", i)), Count: 1,
		})
	}
	check.Value(n.Apply(t.Context(), b))(t)
}

func (n node) heartbeats(t *testing.T, beats int) {
	t.Helper()
	for range beats {
		check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	}
}

// pagesIn checks the number of the node's pages.
func (n node) pagesIn(t *testing.T, least, most int, when string) {
	t.Helper()
	if got := check.Value(n.RingSummary(t.Context()))(t).Pages; got < least || got > most {
		t.Errorf("%d pages %s, want %d to %d", got, when, least, most)
	}
}

// beginRound lets the next heartbeat begin a round.
func (n node) beginRound(t *testing.T) {
	t.Helper()
	n.do(t, "HSET", "ff:T", "counted", time.Now().Add(-time.Minute).Unix())
}

// lengths is how many hashes the server has measured.
func (n node) lengths(t *testing.T) int {
	t.Helper()
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	m := regexp.MustCompile(`cmdstat_hlen:calls=(\d+)`).FindStringSubmatch(check.Value(c.Info(t.Context(), "commandstats").Result())(t))
	if m == nil {
		return 0
	}
	return check.Value(strconv.Atoi(m[1]))(t)
}

// S5: counting the pages of a node holds it up for 1,024 of its arcs at a time. The number
// changes when all are counted.
func TestS5AHeartbeatCountsThePagesOfFewArcs(t *testing.T) {
	t.Parallel()
	n := stocked(t)
	for beat := range rounds {
		n.pagesIn(t, 7, 7, fmt.Sprint("before heartbeat ", beat))
		before := n.lengths(t)
		n.heartbeats(t, 1)
		if got := n.lengths(t) - before; got < 1024 || got > 1025 { // one is of keys
			t.Errorf("heartbeat %d measured %d hashes", beat, got)
		}
	}
	n.pagesIn(t, sharding.Arcs, sharding.Arcs, "after the round")
	before := n.lengths(t)
	n.heartbeats(t, rounds)
	if got := n.lengths(t) - before; got > rounds {
		t.Errorf("%d hashes were measured in the same minute", got)
	}
}

// S5: what batches add while a round runs is counted once, so that rounds do not drift.
func TestS5PagesThatAreAddedInARoundAreCountedOnce(t *testing.T) {
	t.Parallel()
	n := stocked(t)
	total, seq := sharding.Arcs, int64(0)
	for round := range 5 {
		n.beginRound(t)
		for beat := range rounds {
			n.heartbeats(t, 1)
			if beat%5 == round { // at different parts of the rounds
				seq++
				total += 512
				n.spread(t, seq, 512)
			}
			if added := total - sharding.Arcs; round == 0 && beat < rounds-1 {
				n.pagesIn(t, 7+added, 7+added, "in the first round")
			}
		}
		n.pagesIn(t, total-rounds, total+rounds, fmt.Sprint("after round ", round))
	}
	n.beginRound(t)
	n.heartbeats(t, rounds)
	n.pagesIn(t, total, total, "after a round without batches")
}

// An older version counts all arcs at one heartbeat. A round that runs meanwhile ends, and
// changes nothing.
func TestARoundEndsWhenAnOlderVersionCounts(t *testing.T) {
	t.Parallel()
	n := stocked(t)
	n.heartbeats(t, rounds/2)
	n.do(t, "HSET", "ff:T", "pages", 20_000, "counted", time.Now().Add(-30*time.Second).Unix())
	n.heartbeats(t, 2*rounds)
	n.pagesIn(t, 20_000, 20_000, "after the older version has counted")
	n.beginRound(t)
	n.heartbeats(t, rounds-1)
	n.pagesIn(t, 20_000, 20_000, "in the next round")
	n.heartbeats(t, 1)
	n.pagesIn(t, sharding.Arcs, sharding.Arcs, "after the next round")
}
