package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// recordOnce sends a request with a key again and again, to any instance, also
// when it was acknowledged, and while the ring changes: it is counted once.
func (w *world) recordOnce(d *chaos.Dice, pages ...counting.Page) {
	key, err := counting.ParseKey(fmt.Sprint("key ", w.newID()))
	if err != nil {
		panic(err)
	}
	request := counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}
	n := int64(1 + d.UpTo(3))
	outcomes := make([]chaos.Outcome, len(pages)) // Refused until one says more
	acked := make([]bool, len(pages))
	for i, page := range pages {
		w.books[page].Issue(n)
		outcomes[i] = chaos.Refused
	}
	claimed := false
	for range 2 + d.UpTo(5) {
		i := w.pick(d)
		if i == nil {
			continue
		}
		visits := make([]counting.Visit, len(pages))
		for k, page := range pages {
			visits[k] = counting.Visit{Page: page, Count: n}
		}
		errs, err := i.visits.RecordOnce(context.Background(), request, visits)
		if errors.Is(err, counting.KeyReused) {
			w.violate("P2: a key is known with a payload that it never came with")
		}
		for k, page := range pages {
			answer := err
			if err == nil {
				answer = errs[k]
			}
			switch {
			case acked[k]:
			case answer == nil && !i.isDead():
				claimed, acked[k] = true, true
				outcomes[k] = chaos.Acknowledged
				w.books[page].Settle(chaos.Acknowledged, n)
			case i.isDead() || errors.Is(answer, counting.ErrInDoubt):
				outcomes[k] = chaos.Unknown
			}
		}
		if claimed && !w.plan.rollBacks && d.Chance(0.2) { // a node that falls back may forget a key for a moment
			w.reuse(i, request, pages[0])
		}
		time.Sleep(w.span(d.Between(0, 6*time.Second)))
	}
	for k, page := range pages {
		if !acked[k] {
			w.books[page].Settle(outcomes[k], n)
		}
	}
}

// reuse sends another payload with a key that is known.
func (w *world) reuse(i *instance, request counting.RequestKey, page counting.Page) {
	request.Print = counting.FingerprintOf("", []byte("another"))
	errs, err := i.visits.RecordOnce(context.Background(), request, []counting.Visit{{Page: page, Count: 1}})
	if err != nil {
		w.counted.Add(keyReusedRefused)
		return
	}
	w.violate("P2: a key that is known was taken with another payload: %v", errs[0])
}
