package uniques

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	// maxAttempts bounds the concurrent attempts, over all windows.
	maxAttempts = 256
	// maxSaves bounds the results that are logged and saved concurrently: hundreds
	// of simultaneous results must not delay other writes to the disk.
	maxSaves = 4
)

// result is the result of one attempt of a queue's delivery.
type result struct {
	call    *publishing.Delivery
	attempt publishing.Attempt
	due     time.Time // of the next attempt
	again   bool
	err     error // the result could not be saved
}

// notifyAll tries each endpoint that has no final result, in the order of the queue, and
// abandons the others when the budget is spent. After an error, or when ctx has ended,
// no more attempts begin, and the window is not finished: the next scan continues. If
// attempts went on after a result that may not be saved, a late repetition of that save
// could overwrite the next result.
func (c closing) notifyAll(ctx context.Context, r publishing.Report, endpoints []string, known map[string]counting.Delivery) error {
	now := time.Now()
	queue := publishing.NewQueue(publishing.NewSchedule(c.view.Length(), now), maxAttempts)
	// Where a limit leaves some out, these are others in each window.
	rand.Shuffle(len(endpoints), func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
	for _, e := range endpoints {
		if k := known[e]; !k.Final {
			queue.Add(publishing.Delivery{Endpoint: publishing.Endpoint(e), Attempts: k.Attempts, Status: k.Status}, now)
		}
	}
	err := attemptAll(ctx, queue, c.attempts, func(call *publishing.Delivery, until time.Time) result {
		return c.attempt(ctx, r, queue.Schedule, call, until)
	})
	if err != nil {
		return err
	}
	for _, call := range queue.Left() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.abandon(ctx, r, call); err != nil {
			return err
		}
	}
	return nil
}

// attemptAll makes the attempts of a queue, each in one of the slots. It returns when no
// attempt is left or can begin, and all have ended.
func attemptAll(ctx context.Context, queue *publishing.Queue, slots chan struct{}, attempt func(call *publishing.Delivery, until time.Time) result) error {
	results := make(chan result)
	wake := time.NewTimer(0)
	defer wake.Stop()
	var failed error
	for running := 0; ; {
		now := time.Now()
		due, waiting := queue.Due(now)
		if failed != nil || ctx.Err() != nil {
			waiting = false
		}
		if !waiting && running == 0 {
			return cmp.Or(failed, ctx.Err())
		}
		var places chan<- struct{} // nil while no attempt may begin
		var over <-chan struct{}   // nil when no attempt waits
		if waiting {
			over = ctx.Done()
			if !due.After(now) {
				places, due = slots, queue.End()
			}
			wake.Reset(min(due.Sub(now), queue.End().Sub(now)))
		}
		select {
		case places <- struct{}{}:
			call, until := queue.Next(time.Now())
			if call == nil { // the due one waits for its host, or the budget is spent
				<-slots
				break
			}
			running++
			go func() {
				done := attempt(call, until)
				<-slots
				results <- done
			}()
		case done := <-results:
			running--
			failed = cmp.Or(failed, done.err)
			queue.Done(done.call, done.attempt, done.due, done.again)
		case <-wake.C:
		case <-over:
		}
	}
}

// attempt makes one attempt and saves its result.
func (c closing) attempt(ctx context.Context, r publishing.Report, s publishing.Schedule, call *publishing.Delivery, until time.Time) result {
	began := time.Now()
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	a := c.Notifier.Notify(limited, r, call.Endpoint, call.Attempts+1)
	done := result{call: call, attempt: a}
	if a.Status == 0 && ctx.Err() != nil {
		// It was cancelled, since the service stops or has lost the claim: it
		// has no result, and is repeated.
		done.err = ctx.Err()
		return done
	}
	done.due, done.again = s.Again(a, began, time.Now(), rand.Float64())
	switch {
	case a.Outcome == publishing.Deferred && done.again:
		return done
	case a.Outcome == publishing.Deferred || a.Outcome == publishing.Paused:
		done.err = c.leaveOut(ctx, call, a)
		return done
	case a.Unsent: // if it is not repeated, the endpoint is among those that are left
		c.logUnsent(a)
		done.again = true
		return done
	}
	lines := []publishing.Attempt{a}
	saved := counting.Delivery{Attempts: a.Number, Status: a.Status, Final: !done.again}
	if !done.again && a.Outcome == publishing.Failed && a.Number < publishing.MaxAttempts {
		lines = append(lines, publishing.Attempt{
			ReportID: r.ID, Number: a.Number, Endpoint: a.Endpoint, Outcome: publishing.Abandoned, Err: publishing.ErrAbandoned,
		})
		saved.Reason = string(publishing.Abandoned)
	}
	done.err = c.save(ctx, a.Endpoint, saved, lines...)
	return done
}

// leaveOut ends a delivery of which no attempt is made in this window, because of a
// limit or a pause.
func (c closing) leaveOut(ctx context.Context, call *publishing.Delivery, a publishing.Attempt) error {
	if a.Outcome == publishing.Deferred { // until a time beyond the budget
		a.Outcome = publishing.Limited
	}
	c.leftOut.Add(1)
	final := counting.Delivery{Attempts: call.Attempts, Status: call.Status, Final: true, Reason: string(a.Outcome)}
	return c.save(ctx, call.Endpoint, final, a)
}

// abandon ends a delivery that was left when the budget was spent.
func (c closing) abandon(ctx context.Context, r publishing.Report, call *publishing.Delivery) error {
	a := publishing.Attempt{ReportID: r.ID, Number: call.Attempts, Endpoint: call.Endpoint}
	a.Outcome, a.Err = call.Abandoned()
	return c.leaveOut(ctx, call, a)
}

// unsentPause is the shortest time between two log lines about attempts that do not leave
// this machine.
const unsentPause = time.Minute

// logUnsent logs that attempts do not leave this machine.
func (s *Service) logUnsent(a publishing.Attempt) {
	now, last := time.Now().UnixNano(), s.unsentAt.Load()
	if time.Duration(now-last) > unsentPause && s.unsentAt.CompareAndSwap(last, now) {
		s.Log.Error("callbacks can't be sent", "window", a.ReportID, "error", a.Err)
	}
}

// save logs attempts at an endpoint and saves its state.
func (c closing) save(ctx context.Context, e publishing.Endpoint, known counting.Delivery, lines ...publishing.Attempt) error {
	c.saves <- struct{}{}
	defer func() { <-c.saves }()
	for _, a := range lines {
		c.log(a)
	}
	_, err := c.advance(context.WithoutCancel(ctx), counting.SaveDelivery(string(e), known))
	return err
}

// log writes an attempt to the journal, and has it observed.
func (s *Service) log(a publishing.Attempt) {
	if s.Observe != nil {
		s.Observe(a)
	}
	if err := s.Journal.LogAttempt(a); err != nil {
		s.Log.Error("log callback failed", "window", a.ReportID, "error", err)
	}
}
