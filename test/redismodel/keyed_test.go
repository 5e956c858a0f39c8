package redismodel_test

import (
	"context"
	"fmt"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// countOnce sends a request with a key a few times, to any instance, also when
// it was acknowledged: it is counted once.
func (w *world) countOnce(ctx context.Context, d *chaos.Dice, visits ...counting.Visit) {
	key, err := counting.ParseKey(fmt.Sprint("key ", w.newID()))
	if err != nil {
		panic(err)
	}
	request := counting.RequestKey{Key: key, Print: counting.FingerprintOf("", []byte("payload"))}
	acked, doubt := make([]bool, len(visits)), make([]bool, len(visits))
	for _, v := range visits {
		w.account(v.Page).Issue(v.Count)
	}
	for range 2 + d.UpTo(3) {
		i := w.pick(d)
		if i == nil {
			continue
		}
		errs, err := i.visits.RecordOnce(ctx, request, visits)
		for k, v := range visits {
			told := err
			if err == nil {
				told = errs[k]
			}
			switch outcome := i.explainBusy(told); {
			case acked[k]:
				w.counted.Add(keyRepeated)
			case outcome == chaos.Acknowledged:
				acked[k] = true
				w.account(v.Page).Settle(chaos.Acknowledged, v.Count)
			case outcome == chaos.Unknown:
				doubt[k] = true
			}
		}
		time.Sleep(d.Between(0, 100*time.Millisecond))
	}
	for k, v := range visits {
		switch {
		case acked[k]:
		case doubt[k]:
			w.account(v.Page).Settle(chaos.Unknown, v.Count)
		default:
			w.account(v.Page).Settle(chaos.Refused, v.Count)
		}
	}
}
