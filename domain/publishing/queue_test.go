package publishing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// play lets every attempt of a queue take the time and have the status that
// try gives it, and returns the attempts in the order in which they began.
func play(t *testing.T, places int, calls []publishing.Delivery, try func(e publishing.Endpoint, number int, at time.Duration) (time.Duration, publishing.Attempt)) []turn {
	t.Helper()
	return playWindow(t, time.Minute, places, calls, try)
}

func playWindow(t *testing.T, length time.Duration, places int, calls []publishing.Delivery, try func(e publishing.Endpoint, number int, at time.Duration) (time.Duration, publishing.Attempt)) []turn {
	t.Helper()
	began := time.Unix(1000, 0)
	q := publishing.NewQueue(publishing.NewSchedule(counting.WindowLength(length), began), places)
	for _, c := range calls {
		q.Add(c, began)
	}
	var all, running []turn
	for now := began; now.Before(q.End()); {
		for len(running) < places {
			c, until := q.Next(now)
			if c == nil {
				break
			}
			took, a := try(c.Endpoint, c.Attempts+1, now.Sub(began))
			a.Number, a.Endpoint = c.Attempts+1, c.Endpoint
			if end := now.Add(took); end.After(until) {
				took, a.Status, a.Outcome, a.HostFailed = until.Sub(now), 0, publishing.Failed, true
			}
			running = append(running, turn{call: c, attempt: a, at: now.Sub(began), ends: now.Add(took).Sub(began)})
			all = append(all, running[len(running)-1])
		}
		slices.SortStableFunc(running, func(a, b turn) int { return int(a.ends - b.ends) })
		next, ok := q.Due(now)
		if !ok || next.Equal(now) {
			next = q.End()
		}
		if len(running) == 0 || next.Before(began.Add(running[0].ends)) {
			now = next
			continue
		}
		ended := running[0]
		running = running[1:]
		now = began.Add(ended.ends)
		due, again := q.Again(ended.attempt, began.Add(ended.at), now, 0)
		q.Done(ended.call, ended.attempt, due, again)
	}
	return all
}

type turn struct {
	call     *publishing.Delivery
	attempt  publishing.Attempt
	at, ends time.Duration // since the begin
}

// endpoints are n of one host.
func endpoints(host string, n int) (all []publishing.Delivery) {
	for i := range n {
		all = append(all, publishing.Delivery{Endpoint: publishing.Endpoint(fmt.Sprintf("http://%s/%d", host, i))})
	}
	return all
}

func hangs(publishing.Endpoint, int, time.Duration) (time.Duration, publishing.Attempt) {
	return time.Hour, noAnswer()
}

func noAnswer() publishing.Attempt {
	return publishing.Attempt{Outcome: publishing.Failed, HostFailed: true}
}

// says classifies like a notifier: 2xx is delivered, 5xx is the host's fault.
func says(status int) (time.Duration, publishing.Attempt) {
	a := publishing.Attempt{Outcome: publishing.Failed, HostFailed: status >= 500, Status: status}
	if status < 300 {
		a.Outcome = publishing.Delivered
	}
	return time.Millisecond, a
}

// tally counts the attempts of each number.
func tally(all []turn) (n [4]int) {
	for _, t := range all {
		n[t.attempt.Number]++
	}
	return n
}

func TestAnEndpointThatFailsOrHangsIsTriedThrice(t *testing.T) {
	fails := func(publishing.Endpoint, int, time.Duration) (time.Duration, publishing.Attempt) { return says(500) }
	times := func(turns []turn) string {
		var all []time.Duration
		for _, turn := range turns {
			all = append(all, turn.at, turn.ends)
		}
		return fmt.Sprint(all)
	}
	check.Equal(t, times(play(t, 256, endpoints("a", 1), fails)), "[0s 1ms 10s 10.001s 30s 30.001s]", "attempts that fail began and ended at")
	check.Equal(t, times(play(t, 256, endpoints("a", 1), hangs)), "[0s 10s 10s 20s 30s 40s]", "attempts that hang began and ended at")
}

// P7: with all places taken, every endpoint has its first attempt, and no
// retry goes before one.
func TestEveryEndpointHasItsFirstAttemptThoughAllHang(t *testing.T) {
	for _, n := range []int{1, 256, 400, 1000, 5000} {
		var all []publishing.Delivery
		for i := range n {
			all = append(all, endpoints(fmt.Sprint("h", i), 1)...)
		}
		turns := play(t, 256, all, hangs)
		if got := tally(turns)[1]; got != n {
			t.Errorf("of %d endpoints that hang %d had an attempt", n, got)
		}
		for i, turn := range turns {
			if took := turn.ends - turn.at; turn.attempt.Number == 1 && n <= 1000 && took != 10*time.Second {
				t.Errorf("an attempt of %d had %v", n, took)
				break
			}
			if i > 0 && turn.attempt.Number == 1 && turns[i-1].attempt.Number > 1 {
				t.Errorf("a first attempt of %d began after a retry", n)
			}
		}
	}
}

// P7: at one host too, though two are called at once.
func TestEveryEndpointOfAHostHasItsFirstAttempt(t *testing.T) {
	for _, n := range []int{8, 100, 600} {
		under := 0
		turns := play(t, 256, endpoints("a", n), func(e publishing.Endpoint, _ int, _ time.Duration) (time.Duration, publishing.Attempt) {
			if e[len(e)-1]%2 == 0 {
				return hangs(e, 1, 0)
			}
			return says(200)
		})
		for _, a := range turns {
			under = 0
			for _, b := range turns {
				if b.at <= a.at && b.ends > a.at {
					under++
				}
			}
			if under > 2 {
				t.Errorf("%d attempts at one host at %v", under, a.at)
				break
			}
		}
		delivered := 0
		for _, turn := range turns {
			if turn.attempt.Status == 200 {
				delivered++
			}
		}
		if delivered != n/2 {
			t.Errorf("of %d endpoints at one host that answer %d were notified", n/2, delivered)
		}
		if got := tally(turns)[1]; got != n {
			t.Errorf("of %d endpoints at one host %d had an attempt", n, got)
		}
	}
}

// U16: neighbours that hang leave a retry its turn, in a short window too.
func TestRetriesShareTheTimeThatIsLeft(t *testing.T) {
	delivered := false
	turns := playWindow(t, 2*time.Second, 256, endpoints("a", 4), func(e publishing.Endpoint, number int, _ time.Duration) (time.Duration, publishing.Attempt) {
		switch {
		case e != "http://a/3":
			return hangs(e, number, 0)
		case number == 1:
			return says(500)
		}
		delivered = true
		return says(200)
	})
	if !delivered {
		t.Errorf("the endpoint that fails once was not notified; there were %v attempts", tally(turns))
	}
}

// While its breaker is open, a host has one retry in 10 s.
func TestAHostThatIsDownIsAskedByFewRetries(t *testing.T) {
	turns := play(t, 256, append(endpoints("down", 100), endpoints("up", 1)...), func(e publishing.Endpoint, number int, _ time.Duration) (time.Duration, publishing.Attempt) {
		if e == "http://up/0" && number == 3 {
			return says(200)
		}
		return says(503)
	})
	n := map[string]int{}
	for _, turn := range turns {
		n[turn.call.Endpoint.Host()]++
	}
	if n["down"] != 100+4 || n["up"] != 3 { // at 10 s, 20 s, 30 s, 40 s
		t.Errorf("attempts at hosts: %v, want 104 at the one that is down and 3 at the other", n)
	}
}

// S9: an endpoint that is paused, and so not called, says nothing about its host.
func TestS9APausedEndpointClosesNoBreaker(t *testing.T) {
	turns := play(t, 256, endpoints("down", 100), func(e publishing.Endpoint, _ int, _ time.Duration) (time.Duration, publishing.Attempt) {
		if e == "http://down/99" {
			return 0, publishing.Attempt{Outcome: publishing.Paused}
		}
		return says(503)
	})
	if n := len(turns); n != 100+4 {
		t.Errorf("%d attempts, want 104", n)
	}
}

// The retry that finds the host back lets the others go.
func TestAHostThatIsBackIsTriedAsUsual(t *testing.T) {
	turns := play(t, 256, endpoints("a", 100), func(_ publishing.Endpoint, _ int, at time.Duration) (time.Duration, publishing.Attempt) {
		if at < 15*time.Second {
			return 0, noAnswer() // connection refused
		}
		return says(204)
	})
	delivered := 0
	for _, turn := range turns {
		if turn.attempt.Status == 204 {
			delivered++
		}
	}
	if n := tally(turns); delivered != 100 || n != [4]int{0, 100, 100, 1} {
		t.Errorf("%d were delivered by %v attempts", delivered, n)
	}
}

// Endpoints that fail by themselves open no breaker for their neighbours.
func TestEndpointsThatSayNoOpenNoBreaker(t *testing.T) {
	turns := play(t, 256, endpoints("a", 50), func(publishing.Endpoint, int, time.Duration) (time.Duration, publishing.Attempt) { return says(404) })
	check.Equal(t, tally(turns), [4]int{0, 50, 50, 50}, "attempts")
}

// What another instance began is gone on with, after the wait that its last
// attempt has behind it.
func TestAttemptsThatWereMadeBeforeCount(t *testing.T) {
	calls := []publishing.Delivery{{Endpoint: "http://a/", Attempts: 1, Status: 500}, {Endpoint: "http://b/", Attempts: 2}, {Endpoint: "http://c/"}}
	turns := play(t, 256, calls, func(publishing.Endpoint, int, time.Duration) (time.Duration, publishing.Attempt) { return says(500) })
	var got []string
	for _, turn := range turns {
		got = append(got, fmt.Sprintf("%s %d %v", turn.call.Endpoint, turn.attempt.Number, turn.at))
	}
	check.Equal(t, fmt.Sprint(got), "[http://c/ 1 0s http://a/ 2 10s http://c/ 2 10s http://b/ 3 20s http://a/ 3 30s http://c/ 3 30s]", "attempts")
}

func TestWhatIsLeftIsReturnedOnce(t *testing.T) {
	began := time.Unix(1000, 0)
	q := publishing.NewQueue(publishing.NewSchedule(counting.WindowLength(time.Minute), began), 256)
	for _, c := range append(endpoints("a", 5), publishing.Delivery{Endpoint: "http://b/", Attempts: 2, Status: 500}) {
		q.Add(c, began)
	}
	call, _ := q.Next(began)
	left := map[publishing.Endpoint]int{}
	for _, c := range append(q.Left(), q.Left()...) {
		left[c.Endpoint] += 10 + c.Attempts
	}
	if len(left) != 5 || left[call.Endpoint] != 0 || left["http://b/"] != 12 || left["http://a/4"] != 10 {
		t.Errorf("left: %v", left)
	}
	if c, _ := q.Next(began.Add(44 * time.Second)); c != nil {
		t.Errorf("%s was left and comes again", c.Endpoint)
	}
}

// S9, P7: endpoints whose address has had its share wait with each other, eight at a time,
// and are not asked again one by one. All others go on.
func TestS9EndpointsOfOneAddressWaitTogether(t *testing.T) {
	var calls []publishing.Delivery
	for i := range 300 {
		calls = append(calls, endpoints(fmt.Sprint("same", i), 1)...)
	}
	calls = append(calls, endpoints("other", 5)...)
	asked, delivered := 0, 0
	turns := play(t, 256, calls, func(e publishing.Endpoint, _ int, at time.Duration) (time.Duration, publishing.Attempt) {
		if e.Host() == "other" {
			delivered++
			return says(200)
		}
		asked++
		// The first second of each ten has a place.
		next := time.Unix(1000, 0).Add(at.Truncate(10*time.Second) + 10*time.Second)
		if at%(10*time.Second) >= time.Second {
			return 0, publishing.Attempt{Outcome: publishing.Deferred, Address: "192.0.2.1/32", Until: next}
		}
		return 2 * time.Second, publishing.Attempt{Outcome: publishing.Delivered, Status: 200}
	})
	check.Equal(t, delivered, 5, "attempts at the other host")
	if turns[256].at > 3*time.Second {
		t.Errorf("the others began after %v", turns[256].at)
	}
	if most := 300 + 4*(8+8); asked > most {
		t.Errorf("%d attempts were made or deferred, want at most %d", asked, most)
	}
	again := 0
	for _, turn := range turns {
		if turn.at == 10*time.Second {
			again++
		}
	}
	check.Equal(t, again, 8, "attempts at the address when it has a place again")
}

// S9: of an endpoint that is left it is known whether time or its address was lacking.
func TestS9WhatIsLeftSaysWhy(t *testing.T) {
	began := time.Unix(1000, 0)
	q := publishing.NewQueue(publishing.NewSchedule(counting.WindowLength(time.Minute), began), 256)
	for _, c := range append(endpoints("a", 1), endpoints("b", 3)...) {
		q.Add(c, began)
	}
	c, _ := q.Next(began)
	a := publishing.Attempt{Outcome: publishing.Deferred, Address: "192.0.2.1/32", Until: began.Add(time.Second), Err: publishing.ErrLimited}
	due, again := q.Again(a, began, began, 0)
	check.Equal(t, again, true, "it is tried again")
	q.Done(c, a, due, again)
	if next, ok := q.Due(began); !ok || next != began {
		t.Errorf("the others wait until %v", next)
	}
	for _, left := range q.Left() {
		outcome, err := left.Abandoned()
		want, wantErr := publishing.Abandoned, publishing.ErrAbandoned
		if left.Endpoint == c.Endpoint {
			want, wantErr = publishing.Limited, publishing.ErrLimited
		}
		check.Equal(t, outcome, want, "the outcome of %s", left.Endpoint)
		check.Is(t, err, wantErr, "of %s", left.Endpoint)
		check.Equal(t, left.Attempts, 0, "attempts at %s", left.Endpoint)
	}
	if _, again := q.Again(publishing.Attempt{Outcome: publishing.Deferred, Until: q.End()}, began, began, 0); again {
		t.Error("an attempt that may be made after the budget is waited for")
	}
}
