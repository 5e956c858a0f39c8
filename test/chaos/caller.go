package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Caller makes requests of one instance and enters its answers in the books.
type Caller struct {
	*Process
	Name    string
	Visits  *visits.Service
	Books   *Books
	Counted *Tally
	// Lost, if it isn't nil, are the visits of a page that are permanently lost.
	Lost func(counting.Page) int64
	// Forgetting: nodes fall back, so that a reading may lack for a while what other
	// instances were answered for, and a key may be unknown.
	Forgetting bool
	// Own, if it isn't nil, has what this instance alone was answered for. It reads no page
	// without it, also when nodes fall back.
	Own *Books
}

// Outcome is what a caller knows after an answer.
func (c *Caller) Outcome(err error) Outcome {
	var reason counting.Reason
	switch {
	case c.IsDead():
		return Unknown
	case err == nil:
		return Acknowledged
	case errors.Is(err, counting.ErrInDoubt):
		c.Counted.Add(AnsweredInDoubt)
		return Unknown
	case errors.Is(err, counting.ErrUnavailable):
		c.Counted.Add(AnsweredRefused)
		return Refused
	case errors.As(err, &reason):
		switch reason {
		case counting.Overflow:
			c.Counted.Add(OverflowRefused)
		case counting.EndpointLimit:
			c.Counted.Add(EndpointRefused)
		}
		return Refused
	case errors.Is(err, publishing.ErrForbidden):
		return Refused
	}
	c.Books.Violate("a caller received %v, which no contract names", err)
	return Unknown
}

// Count sends visits, one alone or several as a bulk. It returns the outcome of the
// first.
func (c *Caller) Count(ctx context.Context, visits ...counting.Visit) (first Outcome) {
	mentions := make([]*Mention, len(visits))
	for k, v := range visits {
		c.Books.Account(v.Page).Issue(v.Count)
		mentions[k] = c.Books.Diary.Send(v)
	}
	var errs []error
	if len(visits) == 1 {
		errs = append(errs, c.Visits.Record(ctx, visits[0].Page, visits[0].Count))
	} else {
		errs = c.Visits.RecordAll(ctx, visits)
	}
	for k, v := range visits {
		o := c.Outcome(errs[k])
		c.Books.Account(v.Page).Settle(o, v.Count)
		mentions[k].Settle(o)
		if c.Own != nil {
			c.Own.Account(v.Page).Settle(o, v.Count)
		}
		if k == 0 {
			first = o
		}
	}
	return first
}

// OwnLeast is the least that a read begun now may show above the page's Base, whatever a node
// has forgotten.
func (c *Caller) OwnLeast(page counting.Page) (least int64) {
	if c.Own != nil {
		least, _ = c.Own.Account(page).Bounds()
	}
	return least
}

func (c *Caller) lost(page counting.Page) int64 {
	if c.Lost == nil {
		return 0
	}
	return c.Lost(page)
}

// Read checks that a reading is an error, or lies between what was acknowledged
// before and what was sent until after (P3).
func (c *Caller) Read(ctx context.Context, pages ...counting.Page) {
	least, lost := make([]int64, len(pages)), make([]int64, len(pages))
	own := make([]int64, len(pages))
	for k, page := range pages {
		lost[k], own[k] = c.lost(page), c.OwnLeast(page)
		least[k], _ = c.Books.Account(page).Bounds()
	}
	for k, r := range c.Visits.Read(ctx, pages) {
		a := c.Books.Account(pages[k])
		_, most := a.Bounds()
		switch {
		case c.IsDead():
			return
		case r.Err != nil:
			c.Counted.Add(ReadFailed)
			continue
		}
		got := r.Visits - a.Base + lost[k]
		if got > most || got < least[k] { // a loss may have been recorded during the read
			got += c.lost(pages[k]) - lost[k]
		}
		if got > most || got < least[k] && !c.Forgetting || got < own[k] {
			c.Books.Violate("P3: page %s reads %d, want %d, %d of them its own, to %d, by %s", pages[k], got, least[k], own[k], most, c.Name)
		}
	}
}

// CountOnce sends a request with a key a few times, to any callers that pick returns,
// also when it was acknowledged: it is counted once. A nil caller is passed over. It
// belongs to no caller, since each repetition may go to another one.
func (b *Books) CountOnce(ctx context.Context, d *Dice, pick func(*Dice) *Caller, times int, pause time.Duration, visits ...counting.Visit) {
	key, err := counting.ParseKey(fmt.Sprint("key ", b.NewID()))
	if err != nil {
		panic(err)
	}
	request := counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}
	outcomes := slices.Repeat([]Outcome{Refused}, len(visits)) // until one says more
	mentions := make([]*Mention, len(visits))
	for k, v := range visits {
		b.Account(v.Page).Issue(v.Count)
		mentions[k] = b.Diary.Send(v)
	}
	for range times {
		c := pick(d)
		if c == nil {
			continue
		}
		errs, err := c.Visits.RecordOnce(ctx, request, slices.Clone(visits))
		if errors.Is(err, counting.KeyReused) {
			b.Violate("P2: a key is known with a payload that it never came with")
		}
		for k, v := range visits {
			answer := err
			if err == nil {
				answer = errs[k]
			}
			switch outcome := c.Outcome(answer); {
			case outcomes[k] == Acknowledged:
				if outcome == Acknowledged {
					c.Counted.Add(KeyRepeated)
				}
			case outcome == Acknowledged:
				b.Account(v.Page).Settle(outcome, v.Count)
				outcomes[k] = outcome
			case outcome == Unknown:
				outcomes[k] = outcome
			}
		}
		if slices.Contains(outcomes, Acknowledged) && !c.Forgetting && d.Chance(0.2) {
			c.reuse(ctx, request, visits[0].Page)
		}
		time.Sleep(d.Between(0, pause))
	}
	for k, v := range visits {
		if outcomes[k] != Acknowledged {
			b.Account(v.Page).Settle(outcomes[k], v.Count)
		}
		mentions[k].Settle(outcomes[k]) // a node that fell back may have counted any of them
	}
}

// reuse sends another payload with a key that is known.
func (c *Caller) reuse(ctx context.Context, request counting.RequestKey, page counting.Page) {
	request.Print = counting.FingerprintOf("", []byte("another"))
	errs, err := c.Visits.RecordOnce(ctx, request, []counting.Visit{{Page: page, Count: 1}})
	if err == nil {
		c.Books.Violate("P2: a key that is known was taken with another payload: %v", errs[0])
		return
	}
	c.Counted.Add(KeyReused)
}
